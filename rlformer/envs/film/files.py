"""Files that hold a video: mp4 through ffmpeg, GIF and WebP through Pillow; the suffix chooses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rlformer.core.errors import InputError, MissingExtra

SUFFIXES = (".mp4", ".gif", ".webp")
WIDEST = {".mp4": 1280, ".gif": 640, ".webp": 800}  # pixels across, at most
_MOST_PIXELS = 60_000_000  # of all frames that are held at once: 180 MB; more, and every other one is dropped
_SHORTEST = {".gif": 20, ".webp": 10}  # milliseconds of a frame: viewers show shorter ones slowly


class Reel(Protocol):
    """Takes frames of one size, PIL images, one after the other."""

    def add(self, frame: Any, times: int = 1) -> None: ...


def check(path: Path) -> None:
    """Raise InputError where no video can be written there: another suffix, or no ffmpeg."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out {path}: the name of a video must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if path.suffix.lower() == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise MissingExtra("video", f"{path} (a .gif or .webp needs nothing more)")


def usual_suffix() -> str:
    """Of a video whose file nobody named: mp4 where it can be written."""
    return ".webp" if find_spec("imageio_ffmpeg") is None else ".mp4"


@contextmanager
def reel(path: Path, kind: str, size: tuple[int, int], fps: float) -> Iterator[Reel]:
    """Write a video of this kind (a suffix) to `path`, whatever its name. size: (width, height), both even."""
    if kind == ".mp4":
        writing = _Mp4(path, size, fps)
        try:
            yield writing
        finally:
            writing.close()
        return
    held = _Held(size, fps, _SHORTEST[kind])
    yield held
    held.save(path, kind.removeprefix(".").upper())


class _Mp4:
    """Frames go to ffmpeg as they come: H.264, playable in browsers."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        from imageio_ffmpeg import write_frames

        self._frames = write_frames(
            str(path),
            size,
            fps=fps,
            codec="libx264",
            quality=8,
            macro_block_size=2,
            ffmpeg_log_level="error",
            output_params=["-f", "mp4", "-movflags", "+faststart"],
        )
        self._frames.send(None)

    def add(self, frame: Any, times: int = 1) -> None:
        """Write the frame so many times."""
        packed = np.ascontiguousarray(np.asarray(frame))
        for _ in range(times):
            try:
                self._frames.send(packed)
            except (OSError, StopIteration) as error:
                raise InputError(f"ffmpeg stopped: {' '.join(str(error).split())}") from error

    def close(self) -> None:
        """Let ffmpeg finish the file."""
        self._frames.close()


class _Held:
    """Frames are held until the end; where they are too many, every other one is dropped and shown twice as long."""

    def __init__(self, size: tuple[int, int], fps: float, shortest: int) -> None:
        self._frames: list[tuple[Any, int]] = []  # each with how many frames it stands for
        self._milliseconds = 1000 / fps
        self._every = max(1, round(shortest / self._milliseconds))
        self._most = max(2, _MOST_PIXELS // (size[0] * size[1]))
        self._skipped = 0

    def add(self, frame: Any, times: int = 1) -> None:
        """Hold the frame, or let the one before stand for it too."""
        if self._frames and times == 1 and self._skipped + 1 < self._every:
            self._skipped += 1
            last, stands = self._frames[-1]
            self._frames[-1] = last, stands + 1
            return
        self._skipped = 0
        self._frames.append((frame, times))
        if len(self._frames) > self._most:
            pairs = zip(self._frames[::2], [*self._frames[1::2], (None, 0)], strict=False)
            self._frames = [(kept, stands + more) for (kept, stands), (_, more) in pairs]
            self._every *= 2

    def save(self, path: Path, kind: str) -> None:
        """Write all of them: an endless animation."""
        from PIL import Image

        frames = [frame for frame, _ in self._frames]
        durations = [max(1, round(stands * self._milliseconds)) for _, stands in self._frames]
        if kind == "GIF":
            durations = _tenths(durations)
            palette = _palette(frames)
            frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
        more = {"quality": 80, "method": 3} if kind == "WEBP" else {"optimize": False}
        frames[0].save(path, format=kind, save_all=True, append_images=frames[1:], duration=durations, loop=0, **more)


def _palette(frames: Sequence[Any]) -> Any:
    """An image with 256 colours that serve all frames: those of a few of them, evenly spaced."""
    from PIL import Image

    some = [frames[i] for i in np.unique(np.linspace(0, len(frames) - 1, 8).round().astype(int))]
    width, height = some[0].size
    strip = Image.new("RGB", (width, height * len(some)))
    for i, frame in enumerate(some):
        strip.paste(frame, (0, i * height))
    return strip.quantize(256, dither=Image.Dither.NONE)


def _tenths(durations: list[int]) -> list[int]:
    """Durations in whole hundredths of a second, as GIF counts them, whose sum drifts by less than one.

    >>> _tenths([33, 33, 33])
    [30, 30, 30]
    """
    rounded, shown, truly = [], 0, 0.0
    for duration in durations:
        truly += duration
        each = max(20, 10 * int((truly - shown) // 10))
        rounded.append(each)
        shown += each
    return rounded
