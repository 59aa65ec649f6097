"""Videos: one episode of the median seed, small, kept with its run; or the reason why there is none."""

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rlformer.agents.cards import resolve
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.spaces import ActionSpec
from rlformer.envs import animation
from rlformer.envs import cards as env_cards
from rlformer.envs.rollout import RandomPolicy
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.measure.evaluation import evaluate
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.report import build
from rlformer.runs.directory import RunDirectory
from rlformer.studies import experiment, videos
from rlformer.studies.executors.base import Event, Job, Work
from tests.support.make_runs import BC, make_runs

CARTPOLE = env_cards.environment("CartPole-v1")
TERMS = Terms()
RANDOM = RandomPolicy(ActionSpec("discrete", (2,)))


def opened(packed: bytes) -> Any:
    return Image.open(io.BytesIO(packed))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three random runs of CartPole; what they learn takes no time."""
    root = tmp_path_factory.mktemp("runs")
    protocol = Protocol(episodes=3, curve_episodes=1, fresh_episodes=2, target_episodes=1, num_envs=1)
    spec = resolve(CARTPOLE, "random")
    return [experiment.train(spec, seed, root, protocol=protocol).path for seed in range(3)]


def test_the_episode_is_the_evaluations_own() -> None:
    frames, episode = animation.play(RANDOM, CARTPOLE, seed=7)
    assert len(frames) == len(episode) + 1  # a picture before the first step
    assert frames[0].shape == (400, 600, 3)
    result = evaluate(RANDOM, CARTPOLE, np.array([7]), name="random")
    assert episode.episode_return == result.returns[0]


def test_an_animation_is_small_and_its_still_is_its_first_frame() -> None:
    frames, _ = animation.play(RANDOM, CARTPOLE, seed=7)
    packed = animation.webp(frames)
    assert len(packed) <= animation.MOST_BYTES
    moving, still = opened(packed), opened(animation.still(packed))
    assert (moving.size, still.size) == ((160, 107), (160, 107))
    assert moving.n_frames > 1
    assert getattr(still, "n_frames", 1) == 1


def test_a_long_episode_is_thinned_evenly_to_sixty_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "MOST_FRAMES", 4)
    frames, episode = animation.play(RANDOM, CARTPOLE, seed=7)
    assert len(episode) > 2 * 4  # so that pictures were thinned while it ran
    assert len(frames) == 4


@pytest.mark.slow
def test_noise_is_made_to_fit_by_dropping_frames() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (80, 160, 3), np.uint8) for _ in range(40)]
    assert opened(animation.webp(noise)).n_frames < 40


def test_what_cannot_render_says_why() -> None:
    bare = replace(CARTPOLE, kwargs={"no_such": 1})
    with pytest.raises(InputError, match=r"CartPole-v1 cannot render: .*no_such"):
        animation.play(RANDOM, bare, seed=0)


def test_the_median_run_gets_a_video_once(runs: list[Path]) -> None:
    videos.record_medians(runs, TERMS)
    means = {path: RunDirectory.open(path).evaluations()["final"].mean for path in runs}
    median = sorted(runs, key=lambda path: (means[path], path))[1]
    shown = [path for path in runs if (path / "eval/episode.webp").is_file()]
    assert shown == [median]
    before = (median / "eval/episode.webp").stat().st_mtime_ns
    videos.record_medians(runs, TERMS)
    assert (median / "eval/episode.webp").stat().st_mtime_ns == before


class Here:
    """An executor in this process; a job that raises has failed."""

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        for job in tasks:
            try:
                yield Event(job.key, "finished", work(job.payload, lambda: False, lambda *told: None))
            except RuntimeError as error:
                yield Event(job.key, "failed", str(error))


def test_an_executor_makes_them_and_one_that_fails_says_why(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = [shutil.copytree(run, tmp_path / str(seed)) for seed, run in enumerate(runs)]
    for path in copied:
        (path / "eval/episode.webp").unlink(missing_ok=True)
    videos.record_medians(copied, TERMS, executor=Here())
    (made,) = [path for path in copied if (path / "eval/episode.webp").is_file()]
    (made / "eval/episode.webp").unlink()

    def broken(*_: object) -> None:
        raise RuntimeError("its process ended with exit code -9")

    monkeypatch.setattr(animation, "play", broken)
    videos.record_medians(copied, TERMS, executor=Here())
    assert files.read_toml(made / "eval/episode.toml")["skipped"] == "its process ended with exit code -9"


def test_the_page_shows_it_and_keeps_still_for_those_who_ask(runs: list[Path], tmp_path: Path) -> None:
    videos.record_medians(runs, TERMS)
    results = build(runs, tmp_path).results
    (arm,) = results["environments"][0]["arms"]
    run = next(run for run in arm["runs"] if run["seed"] == arm["video"]["seed"])
    assert arm["video"]["episode_return"] == run["returns"][0]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/webp;base64,') == 1
    assert 'media="(prefers-reduced-motion: reduce)"' in page
    assert "data:image" not in (tmp_path / "results.json").read_text()


def test_the_page_says_why_there_is_none(tmp_path: Path) -> None:
    for run in make_runs(tmp_path / "runs", [BC], seeds=(0, 1)):
        told = {"schema": "rlformer/2", "episode_seed": 1, "skipped": "X cannot render: no <pygame>"}
        files.write_toml(run.path / "eval/episode.toml", told)
    build([tmp_path / "runs"], tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count("No video: X cannot render: no &lt;pygame&gt;.") == 1


def test_a_run_whose_weights_cannot_be_read_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (run,) = make_runs(tmp_path, [BC], seeds=(0,))
    videos.record_medians([run.path], TERMS)
    assert "holds no trained policy" in (run.path / "eval/episode.toml").read_text()
    assert set(run.evaluations()) == {"final", "test", "fresh"}
    results = build([tmp_path], tmp_path / "out").results
    assert str(run.path) not in json.dumps(results["environments"][0]["arms"][0]["video"])
