"""Policies to watch: a video of some episodes, several policies side by side; or a window where there is a display."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.core import files
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import EnvSpec, Episode
from rlformer.envs.film import files as video_files
from rlformer.envs.film.drawing import Drawing
from rlformer.envs.film.stage import Moment, Player, Stage, perform
from rlformer.envs.rollout import rollout
from rlformer.envs.vector import Environments
from rlformer.studies.sources import Source

_HOLD_SECONDS = 1.0  # of an episode's last frame
_MOST_SIDE_BY_SIDE = 9
_STOPPED = "stopped; no video was written"

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class WatchedEpisode:
    """An episode that was shown."""

    policy: str
    seed: int
    episode_return: float
    length: int
    terminated: bool
    target_return: float | None


@dataclass(frozen=True)
class Watched:
    """What was played, and the video of it; `path` is None where it was shown in a window."""

    env: str
    path: Path | None
    episodes: tuple[WatchedEpisode, ...]


def names(sources: Sequence[Source]) -> list[str]:
    """A short name for each policy, such as "dt, seed 0": as much as tells them apart."""
    short = [_short(source) for source in sources]
    return [name if short.count(name) == 1 else source.name for name, source in zip(short, sources, strict=True)]


def _short(source: Source) -> str:
    agent, seed = source.identity.get("agent", source.name), source.identity.get("seed")
    return str(agent) if seed is None else f"{agent}, seed {seed}"


def usual_path(env: EnvSpec, players: Sequence[str]) -> Path:
    """Where a video goes if nothing else is said."""
    shown = "-and-".join(name.replace(", ", "-") for name in players[:3]) + (
        f"-and-{len(players) - 3}-more" if len(players) > 3 else ""
    )
    return Path("videos") / f"{files.slug(f'{env.name}-{shown}')[:120]}{video_files.usual_suffix()}"


def film(
    players: Sequence[Player],
    env: EnvSpec,
    seeds: Sequence[int],
    out: Path,
    *,
    fps: float | None = None,
    progress: Progress = lambda done, total, note: None,
    stop: Callable[[], bool] = lambda: False,
) -> Watched:
    """A video at `out` of one episode on each of the seeds, every player on the same ones, side by side.

    fps: frames a second, one a step; by default as the environment wants. Raises InputError where the environment
    cannot render or the file cannot be written, Interrupted where `stop` says so; then no file is left.
    """
    if len(players) > _MOST_SIDE_BY_SIDE:
        raise InputError(f"{len(players)} policies side by side: at most {_MOST_SIDE_BY_SIDE} can be shown")
    video_files.check(out)
    files.writable_directory(out.parent)
    watched: list[WatchedEpisode] = []
    with files.replacing(out) as temporary, ExitStack() as open_files:
        show = _Showing(players, temporary, out.suffix.lower(), open_files, progress, stop)
        stage = Stage(env, len(players), show)
        open_files.callback(stage.close)
        show.rate = fps or stage.fps
        for done, seed in enumerate(seeds):
            show.begin(done, len(seeds))
            watched += _told(players, seed, perform(stage, players, seed))
            show.hold()
            progress(done + 1, len(seeds), "")
    return Watched(env.name, out, tuple(watched))


class _Showing:
    """Draws every moment onto a reel, which it opens with the first picture: that says how large frames are."""

    def __init__(
        self,
        players: Sequence[Player],
        path: Path,
        kind: str,
        open_files: ExitStack,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> None:
        self._players, self._path, self._kind = players, path, kind
        self._open_files, self._progress, self._stop = open_files, progress, stop
        self._drawing: Drawing | None = None
        self._reel: video_files.Reel | None = None
        self._last: Any = None
        self._episode, self._episodes = 0, 1
        self.rate = 30.0  # frames a second

    def begin(self, episode: int, episodes: int) -> None:
        """The next episode, counted from 0, of so many."""
        self._episode, self._episodes = episode, episodes

    def __call__(self, moments: Sequence[Moment]) -> None:
        if self._stop():
            raise Interrupted(_STOPPED)
        if self._drawing is None:
            height, width = moments[0].picture.shape[:2]
            self._drawing = Drawing(self._players, (width, height), video_files.WIDEST[self._kind])
            size = self._drawing.layout.size
            self._reel = self._open_files.enter_context(video_files.reel(self._path, self._kind, size, self.rate))
        assert self._reel is not None
        of = f" of {self._episodes}" if self._episodes > 1 else ""
        self._last = self._drawing.frame(moments, f"episode {self._episode + 1}{of}")
        self._reel.add(self._last)
        self._progress(self._episode, self._episodes, f"step {max(moment.steps for moment in moments):,}")

    def hold(self) -> None:
        """Show the episode's last frame for a while."""
        assert self._reel is not None
        self._reel.add(self._last, max(2, round(_HOLD_SECONDS * self.rate)))


def show_in_window(
    players: Sequence[Player], env: EnvSpec, seeds: Sequence[int], stop: Callable[[], bool] = lambda: False
) -> Watched:
    """The episodes in the environment's own window, one player after the other on each seed.

    Raises InputError where there is no display or the environment has no window of its own.
    """
    if not has_display():
        raise InputError("there is no display, so no window can open: use --out FILE.mp4 to make a video instead")
    try:
        shown = _Window(env, stop)
    except Exception as error:  # whatever an environment says to a render mode that it does not know
        raise InputError(f"{env.name} opens no window: {' '.join(str(error).split())}") from error
    watched: list[WatchedEpisode] = []
    try:
        for seed in seeds:
            for player in players:
                targets = None if player.target_return is None else np.array([player.target_return])
                ((_, episode),) = rollout(shown, player.policy, np.array([seed]), targets, keep_observations=False)
                watched += _told([player], seed, [episode])
    finally:
        shown.close()
    return Watched(env.name, None, tuple(watched))


class _Window(Environments):
    """One environment that shows itself."""

    def __init__(self, env: EnvSpec, stop: Callable[[], bool]) -> None:
        super().__init__(env, 1, render_mode="human")
        self._stop = stop
        made = self._envs[0]
        if made.render_mode != "human" or "human" not in made.metadata.get("render_modes", ()):
            raise InputError("it has no render mode 'human'")

    def step(self, slots: Any, actions: Any) -> Any:
        """See `Environments`; the environment draws by itself."""
        if self._stop():
            raise Interrupted("stopped")
        return super().step(slots, actions)


def has_display() -> bool:
    """Whether a window can open: on Linux a display is named, elsewhere there is one."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _told(players: Sequence[Player], seed: int, episodes: Sequence[Episode]) -> list[WatchedEpisode]:
    return [
        WatchedEpisode(
            player.name, seed, episode.episode_return, len(episode), episode.terminated, player.target_return
        )
        for player, episode in zip(players, episodes, strict=True)
    ]
