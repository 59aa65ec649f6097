"""rlformer play, as a person uses it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import rlformer

Command = Callable[..., Any]


@pytest.mark.slow
def test_two_policies_on_the_episodes_that_evaluate_plays(command: Command, workspace: Path) -> None:
    seen = command(
        "play", "random", "random", "--env", "CartPole-v1", "--episodes", "2", "--out", "a/film.gif", "--json"
    )
    assert seen.code == 0, seen.err
    told = seen.json
    with Image.open(workspace / told["video"]) as film:
        assert film.n_frames > 10
    evaluated = command("evaluate", "random", "--env", "CartPole-v1", "--episodes", "2", "--json").json["policies"][0]
    returns = [episode["episode_return"] for episode in told["episodes"]][::2]
    assert sum(returns) / 2 == evaluated["mean"]


def test_the_video_goes_to_videos_and_its_path_is_the_last_line(command: Command, workspace: Path) -> None:
    seen = command("play", "random", "--env", "rlformer/KeyDoor-v0")
    assert seen.code == 0, seen.err
    head, row, path = seen.out.splitlines()
    assert head.split() == ["policy", "return", "target", "steps", "ended"]
    assert row.split()[0] == "random"
    assert path.startswith("videos/rlformer-KeyDoor-v0-random.")
    assert (workspace / path).stat().st_size > 1000


@pytest.mark.slow
def test_a_wrong_request_is_one_line(command: Command) -> None:
    for words, line in (
        (["random"], "'random' needs --env"),
        (["random", "--env", "CartPole-v1", "--out", "x.avi"], "the name of a video must end in .mp4, .gif or .webp"),
        (["random", "--env", "CartPole-v1", "--fps", "0"], "--fps 0: expected 1 or more"),
        (["random", "--env", "CartPole-v1", "--window", "--out", "x.gif"], "give either --window"),
        (["random"] * 10 + ["--env", "CartPole-v1"], "at most 9 can be shown"),
        (["nowhere"], "nowhere: not a run directory (no such folder)"),
    ):
        seen = command("play", *words)
        assert (seen.code, len(seen.err.splitlines())) == (2, 1)
        assert line in seen.err


@pytest.mark.slow
def test_it_is_a_function_too(workspace: Path) -> None:
    watched = rlformer.play("random", env="CartPole-v1", out="film.webp", fps=20)
    assert watched.path == Path("film.webp")
    assert [episode.policy for episode in watched.episodes] == ["random"]
    with pytest.raises(rlformer.core.errors.InputError, match="one at least"):
        rlformer.play([], env="CartPole-v1")
