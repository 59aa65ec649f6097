"""Looking at what there is: play policies as a video, list runs, check the machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rlformer.agents.threads import one_thread
from rlformer.api.policies import Progress, Statistics, common_environment, normalization_for
from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.envs import cards as env_cards
from rlformer.envs.film.stage import Player
from rlformer.evaluator.measure.protocol import EVALUATION_SEED
from rlformer.runs.board import Board
from rlformer.studies import listing, playing, serve
from rlformer.studies.doctor import Examination, examine
from rlformer.studies.listing import ListedRun, find_runs
from rlformer.studies.playing import Watched
from rlformer.studies.sources import open_source


@contextmanager
def tensorboard(
    folder: str | Path = "runs", *, port: int | None = None
) -> Iterator[tuple[str, int, Callable[[], bool]]]:
    """TensorBoard on the runs at or below a folder, both families in one chart, until the block ends.

    Yields its address, how many runs it shows, and a function that draws what is new and says whether it still runs.
    port: default 6006, or a free one where that is taken. Raises InputError where the folder has no runs or the port is
    taken, RuntimeError where TensorBoard does not start.
    """
    folder = Path(folder)
    if not any(True for _ in find_runs(folder)):
        raise InputError(f"no runs in {folder}: rlformer compare or train-agent creates some")
    with tempfile.TemporaryDirectory(prefix="rlformer-tensorboard-") as logdir:
        board = Board(folder, Path(logdir), find_runs)
        shown = board.update()
        with serve.tensorboard(Path(logdir), port) as (address, running):

            def alive() -> bool:
                board.update()
                return running()

            try:
                yield address, shown, alive
            finally:
                board.close()


def play(
    policies: str | Path | Sequence[str | Path],
    *,
    env: str | None = None,
    episodes: int = 1,
    seed: int = EVALUATION_SEED,
    target_return: float | str | None = None,
    out: str | Path | None = None,
    window: bool = False,
    fps: float | None = None,
    agent: str | None = None,
    sample: bool | None = None,
    trust: bool = False,
    normalization: Statistics = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Watched:
    """A video of these policies, side by side on the same episodes; what was played, and where the video lies.

    policies: as `evaluate` takes them, nine at most. env: by default the one that the runs were trained in. seed: the
    first `episodes` of those that `evaluate` plays on it. target_return: what return-conditioned policies are asked
    for, instead of what each chose from its log. out: a .mp4 (extra `video`), .gif or .webp; by default in `videos/`.
    window: show them on this display instead. fps: steps a second, by default as the environment wants.
    normalization: as for `load`.

    Raises InputError where the environment cannot render, or as `evaluate` does, and Interrupted where `stop` says so.
    """
    texts = [str(policies)] if isinstance(policies, str | Path) else [str(policy) for policy in policies]
    if episodes < 1 or not texts:
        raise InputError(f"--episodes {episodes} of {len(texts)} policies: one at least")
    if fps is not None and not 1 <= fps <= 240:
        raise InputError(f"--fps {fps:g}: from 1 to 240")
    spec = env_cards.environment(env) if env is not None else common_environment(texts, trust)
    normalized = normalization_for(normalization, texts)
    sources = [open_source(text, spec, agent, sample, trust, normalized) for text in texts]
    for source in sources:
        source.check_acts_in(spec)
    players = [
        Player(name, source.policy, source.asked(target_return))
        for name, source in zip(playing.names(sources), sources, strict=True)
    ]
    seeds = [int(each) for each in seeding.episode_seeds(seed, "evaluate", episodes)]
    with one_thread():
        if window:
            return playing.show_in_window(players, spec, seeds, stop)
        path = Path(out) if out is not None else playing.usual_path(spec, [player.name for player in players])
        return playing.film(players, spec, seeds, path, fps=fps, progress=progress or _silent, stop=stop)


def list_runs(folder: str | Path = "runs", *, env: str | None = None, agent: str | None = None) -> list[ListedRun]:
    """The runs at or below a folder, damaged ones too; env, agent: only of these names.

    Raises InputError where there is no such folder.
    """
    found = listing.list_runs(Path(folder))
    return [run for run in found if env in (None, run.env) and agent in (None, run.agent)]


def doctor(folder: str | Path | None = None, *, progress: Progress | None = None) -> Examination:
    """Whether rlformer works on this machine: see `studies.doctor.examine`. `.works` is the self-test's answer."""
    return examine(None if folder is None else Path(folder), progress or _silent)


def _silent(done: int, total: int, note: str = "") -> None:
    """Hears of progress, and tells nobody."""
