"""What a terminal shows: progress on standard error, and only there; tables and JSON on standard output."""

from __future__ import annotations

import atexit
import codecs
import errno
import io
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rlformer.core.printable import output, terminal, visible

if TYPE_CHECKING:
    from rlformer.core.records import Episode
    from rlformer.data.dataset import Dataset
    from rlformer.data.loaders.base import Native
    from rlformer.studies.executors.base import Event
    from rlformer.studies.foresee import Foreseen

_PLAIN = "rlformer.plain"
_STAND_INS = {"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{HORIZONTAL ELLIPSIS}": "..."}
_THREAD_SECONDS = 2.0  # in which a thread may end by itself
_LINE_SECONDS = 60.0  # between lines of progress where there is no terminal
_WIDTH = 100  # columns of what is printed, at most; a pipe gets so many
_NARROW = 60  # columns below which nothing is made to fit
_quiet = False  # see `set_quiet`


def keep_output() -> None:
    """From now on only what is printed here reaches standard output: what libraries and environments write to its file
    descriptor, past Python, goes to standard error. Streams that are closed lead nowhere.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it lasts as long as the process
    codecs.register_error(_PLAIN, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors=_PLAIN)
    try:
        ours = sys.stdout.fileno() == 1 and sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):  # closed, or a test's
        return
    if ours:
        out = sys.stdout
        out.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = open(kept, "w", buffering=1, encoding=out.encoding, errors=out.errors)  # noqa: SIM115


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What stands in for characters that a terminal's encoding lacks: a minus stays one, others are escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(
        _STAND_INS.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking
    ), error.end


def flushed(code: int) -> int:
    """The exit code, once all that was printed is written: 1 where it cannot be, as on a full disk."""
    try:
        sys.stdout.flush()
    except OSError as reason:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())  # Python writes what is left at its end
        os.close(null)
        if not code and reason.errno != errno.EPIPE:  # whoever read it has seen enough
            error(f"standard output: {reason.strerror}")
        return code or 1
    return code


def is_lost() -> bool:
    """Whether the folder in which the command runs exists no longer."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def end_with(before: Set[threading.Thread], code: int) -> None:
    """Ends the process with `code` where a user's environment left threads running, for which it would wait for ever.

    before: the threads that ran when the command began.
    """
    until = time.monotonic() + _THREAD_SECONDS
    left = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    for thread in left:
        thread.join(max(0.0, until - time.monotonic()))
    left = [thread for thread in left if thread.is_alive()]
    if not left or any("concurrent" in type(thread).__module__ or "ThreadPool" in thread.name for thread in left):
        return
    say(f"note: an environment left {len(left)} thread{'s' * (len(left) > 1)} running; the command ended anyway")
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def set_quiet(value: bool) -> bool:
    """Whether progress and notes are left out from now on; returns the same."""
    global _quiet
    _quiet = value
    return value


def say(text: str) -> None:
    """One line for the person at the terminal, if it is not to be quiet; it leaves standard output alone."""
    if not _quiet:
        insist(text)


def insist(text: str) -> None:
    """One line that --quiet does not leave out: an error, or what went missing."""
    print(text, file=sys.stderr, flush=True)


def error(text: str) -> None:
    """What went wrong, the one line that a command ends with."""
    insist(f"error: {' '.join(text.split())}")


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object, the only thing on standard output."""
    print(json.dumps(value, indent=1, allow_nan=False))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], right: Collection[str] = ()) -> str:
    """Aligned columns: text to the left, numbers and the columns `right` to the right, '-' for what is missing.

    >>> print(table(["arm", "mean"], [["dt", 1.5], ["random", None]]))
    arm     mean
    dt       1.5
    random     -
    """
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [
        head[i] in right or all(isinstance(row[i], (int, float, type(None))) for row in rows) for i in range(len(head))
    ]
    widths = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    lines = [
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, numeric, strict=True)).rstrip()
        for line in [list(head), *cells]
    ]
    return "\n".join(lines)


def width() -> int:
    """How many columns a table or a paragraph may take: those of the terminal, and in a pipe a hundred."""
    if not sys.stdout.isatty():
        return _WIDTH
    return min(_WIDTH, max(_NARROW, shutil.get_terminal_size().columns))


def print_strong(text: str) -> None:
    """Print text in bold where standard output is a terminal that has it and NO_COLOR is not set; else as it is."""
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    if plain:
        print(text)
    else:
        print(f"\x1b[1m{visible(text)}\x1b[0m", file=output(), flush=True)


def fitted(text: str) -> str:
    """The text as it is; on a terminal, lines that are too wide for it end in "…"."""
    if not sys.stdout.isatty():
        return text
    width = max(40, shutil.get_terminal_size().columns)
    return "\n".join(line if len(line) <= width else f"{line[: width - 1]}…" for line in text.splitlines())


def scores_table(results: Mapping[str, Any]) -> str:
    """The aggregates of `report --scores` with their intervals, and the probability of improvement of each pair."""
    from rlformer.core.formats import estimate
    from rlformer.report.plots.profiles import AGGREGATES

    head = ["algorithm", *(name.lower() for name, _ in AGGREGATES.values())]
    rows = [[row["label"], *(estimate(row[key], "return") for key in AGGREGATES)] for row in results["aggregates"]]
    parts = [table(head, rows)]
    if results["improvement"]:
        pairs = [[f"{pair['a']} over {pair['b']}", estimate(pair, "z")] for pair in results["improvement"]]
        parts.append(table(["pair", "probability of improvement"], pairs))
    return "\n\n".join(parts)


def show_dataset(dataset: Dataset, as_json: bool, env: Native | None = None, played: Sequence[Episode] = ()) -> None:
    """What a new dataset holds, and where it lies. env, played: what it is held against."""
    from rlformer.data.describe import describe

    info = describe(dataset, env, played)
    if as_json:
        print_json({**info.to_dict(), "path": str(dataset.path)})
    else:
        print(info)
        print(dataset.path)


def show_foreseen(found: Foreseen, as_json: bool) -> None:
    """What a comparison would take, what it leaves out to fit into its minutes, and what its seeds can show."""
    assert found.projection is not None
    total, fitted = found.projection.to_dict(), found.fitted
    if as_json:
        told = {} if fitted is None else {"fitted": {"lines": fitted.lines(), "study": found.study.to_dict()}}
        print_json({**total, **told, "forecast": found.forecast})
        return
    body = [
        [row.agent, row.runs, row.env_steps, row.gradient_steps, row.seconds, row.hours, row.disk_bytes / 2**20]
        for row in found.projection.agents
    ]
    head = ["agent", "runs", "env steps", "gradient steps", "seconds a run", "CPU hours", "MiB a run"]
    print(table(head, body))
    print(
        f"{total['runs']} runs, {total['jobs']} in parallel: about {found.projection.takes}, "
        f"{total['env_steps']:,} environment steps, {total['disk_bytes'] / 2**20:.0f} MiB"
    )
    for line in found.lines():
        print(line)
    say(
        "estimated from a short probe and from earlier runs here; evaluation episodes are assumed to last as long as "
        "the environment allows"
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
    return str(value)


class Bar:
    """A progress bar; where standard error is no terminal, a line a minute."""

    def __init__(self, label: str) -> None:
        self._label = visible(label)
        self._bar: Any = None
        self._said_at = time.monotonic()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show that `done` of `total` is done."""
        if _quiet:
            return
        note = visible(note)
        if not sys.stderr.isatty():
            if time.monotonic() - self._said_at >= _LINE_SECONDS:
                self._said_at = time.monotonic()
                say(f"{self._label}: {done / max(1, total):.0%}{', ' * bool(note)}{note}")
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=self._label, file=terminal(), leave=False, dynamic_ncols=True)
        self._bar.total = total
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def say(self, text: str) -> None:
        """A line, above the bar if there is one."""
        if self._bar is not None:
            self._bar.write(visible(text), file=terminal())
        else:
            say(text)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


class StudyProgress:
    """Follows a study: a bar over all runs on a terminal, and a line as each one ends."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._total, self._ended = folder, 0, 0
        self.failed = 0
        self._share: dict[str, float] = {}
        self._bar = Bar("runs")

    def __call__(self, event: Event) -> None:
        """Take one event of an executor."""
        if event.kind == "planned":
            self._total, self._ended = event.value, 0
            say(f"{self._total} runs in {self._folder}; after an interruption, run the same command again to continue")
            return
        if event.kind in ("chosen", "told"):
            self._bar.say(event.value)
            return
        if event.kind == "more":
            self._total += event.value
            return
        agent, seed = cast(tuple[str, int], event.key)
        arm = f"{agent}/{seed}"
        if event.kind == "progress":
            done, total, _ = event.value
            self._share[arm] = min(0.99, done / max(1, total))
        elif event.kind == "waiting":
            self._bar.say(f"{agent} seed {seed} is waiting: {event.value}")
        elif event.kind == "again":
            self._bar.say(f"{agent} seed {seed} restarts elsewhere from its last checkpoint: {event.value}")
        elif event.kind in ("finished", "failed", "interrupted", "skipped", "left out"):
            self._share.pop(arm, None)
            self._ended += 1
            bad = event.kind in ("failed", "skipped")
            self.failed += bad
            why = f": {event.value}" if bad or event.kind == "left out" else ""
            self._bar.say(f"[{self._ended}/{self._total}] {agent} seed {seed} {event.kind}{why}")
        running = ", ".join(f"{name} {share:.0%}" for name, share in self._share.items())
        self._bar(round(100 * (self._ended + sum(self._share.values()))), 100 * self._total, running)

    def __enter__(self) -> StudyProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__()
