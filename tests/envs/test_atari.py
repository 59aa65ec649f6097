"""The wrappers of Atari games, on a game of our own that needs no emulator, and on Pong where it is installed."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.extras import missing_extra
from rlformer.envs import cards as env_cards
from rlformer.envs import families
from rlformer.envs.atari import Atari, FrameStack, Learning
from rlformer.envs.make import make
from rlformer.envs.spaces import observation_spec
from rlformer.envs.wrappers import in_training

atari = pytest.mark.skipif(missing_extra("atari") is not None, reason="ale-py is not installed")


class Game(gym.Env[Any, Any]):
    """Frame n is as bright as n; a life is lost every third action, and the third loss ends the game."""

    action_space = spaces.Discrete(2)

    def __init__(self, shape: tuple[int, ...] = (8, 6), skipped: int = 1) -> None:
        self.observation_space, self._frameskip = spaces.Box(0, 255, shape, np.uint8), skipped
        self.ale = SimpleNamespace(lives=lambda: 3 - self.frame // 3)
        self.resets = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.frame, self.resets = 0, self.resets + 1
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.frame += 1
        return self._seen(), 5.0 * (-1) ** self.frame, self.frame == 9, False, {}

    def _seen(self) -> Any:
        return np.full(self.observation_space.shape, self.frame, np.uint8)


def test_an_action_lasts_for_its_frames_and_the_brighter_pixels_of_the_last_two_are_shown() -> None:
    env = Atari(Game(), frame_skip=4, noops=0, side=4)
    first, _ = env.reset(seed=0)
    shown, reward, *_ = env.step(0)
    assert (first.shape, first.dtype, int(first.max())) == ((4, 4), np.uint8, 0)
    assert (shown == 4).all()
    assert reward == 0.0  # -5 + 5 - 5 + 5
    env.step(0)
    shown, reward, terminated, *_ = env.step(0)
    assert terminated
    assert (shown == 9).all()
    assert reward == -5.0


def test_the_seed_says_for_how_long_nothing_is_done_at_first() -> None:
    env = Atari(Game(), frame_skip=1, noops=5, side=4)
    begun = [int(env.reset(seed=seed)[0].max()) for seed in range(40)]
    assert set(begun) == {1, 2, 3, 4, 5}
    assert begun == [int(env.reset(seed=seed)[0].max()) for seed in range(40)]


@pytest.mark.parametrize("game", [Game((8, 6, 3)), Game(skipped=4)])
def test_frames_in_colour_or_skipped_already_are_refused_with_what_is_right(game: Game) -> None:
    with pytest.raises(InputError, match=r'kwargs = \{ frameskip = 1, obs_type = "grayscale" \}'):
        Atari(game, frame_skip=4, noops=30, side=84)


def test_frames_are_stacked_the_newest_last_and_zeros_before_the_first() -> None:
    env = FrameStack(Game(), 4)
    (part,) = observation_spec(env.observation_space).parts
    assert (part.shape, part.frames, part.peak) == ((4, 8, 6), 4, 255.0)
    for _ in range(2):  # what was seen before is forgotten
        env.reset(seed=0)
        shown = [env.step(0)[0][:, 0, 0].tolist() for _ in range(5)]
        assert shown == [[0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]


def test_a_life_ends_an_episode_for_who_learns_and_the_game_goes_on() -> None:
    game = Game()
    env = Learning(game)
    assert env.reset(seed=0)[0].max() == 0
    ends, rewards = [], []
    for _ in range(9):
        seen, reward, terminated, _, _ = env.step(0)
        rewards.append(reward)
        ends.append(terminated)
        if terminated:
            again, _ = env.reset()
            assert game.frame == 0 or again.max() == seen.max()
    assert ends == [False, False, True] * 3
    assert rewards == [-1.0, 1.0] * 4 + [-1.0]
    assert game.resets == 2


def test_who_is_not_trained_plays_the_whole_game() -> None:
    game = Game()
    assert in_training(game, ({"kind": "flatten"},)) is game
    assert isinstance(in_training(game, ({"kind": "atari", "frame_skip": 4, "noops": 30, "side": 84},)), Learning)


def test_every_game_has_the_wrappers_with_or_without_a_card() -> None:
    pong, qbert = env_cards.environment("ALE/Pong-v5"), env_cards.environment("ale_py:ALE/Qbert-v5")
    assert (pong.wrappers, pong.kwargs, pong.extra) == (qbert.wrappers, qbert.kwargs, "atari")
    assert qbert.name == qbert.id == "ALE/Qbert-v5"
    assert pong.random_score == -20.7
    assert env_cards.environment("ALE/Pong-ram-v5").wrappers == ()
    assert env_cards.environment("ALE/Pitfall2-v5").wrappers == pong.wrappers


@atari
def test_no_game_of_the_library_is_left_out() -> None:
    families.register("atari", "a test")
    games = [name for name in gym.registry if name.startswith("ALE/")]
    assert len(games) > 60
    assert all(env_cards.environment(name).wrappers for name in games)


@atari
@pytest.mark.parametrize("damage", ["missing", "another", "no folder"])
def test_a_game_whose_file_is_missing_or_another_is_one_line_that_says_where_games_come_from(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nowhere" if damage == "no folder" else tmp_path
    if damage == "another":
        (folder / "freeway.bin").write_bytes(b"another")
    monkeypatch.setenv("ALE_ROMS_DIR", str(folder))
    with pytest.raises(InputError, match=r"^environment 'ALE/Freeway-v5': .*the games come with ale-py: pip") as caught:
        make(env_cards.environment("ALE/Freeway-v5"))
    assert "\n" not in str(caught.value)


@atari
@pytest.mark.parametrize(
    ("typed", "helps"),
    [
        ("ALE/Zzzzzz-v5", "ale-py has none of that name, but"),
        ("ALE/pong-v5", "did you mean 'ALE/Pong-v5'?"),
        ("FreewayNoFrameskip-v4", "did you mean 'ALE/Freeway-v5'?"),
    ],
)
def test_a_game_that_is_not_there_is_not_suggested(typed: str, helps: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"unknown environment '{typed}'")) as caught:
        make(env_cards.environment(typed))
    assert helps in str(caught.value)


@pytest.mark.slow
@atari
def test_pong_shows_four_grey_frames_and_obeys_its_seed() -> None:
    first, second = (make(env_cards.environment("ALE/Pong-v5")) for _ in range(2))
    assert first.observation_space.shape == (4, 84, 84)
    for env in (first, second):
        env.action_space.seed(0)
        env.reset(seed=3)
    for action in np.random.default_rng(0).integers(0, 6, 30):
        one, other = first.step(action), second.step(action)
        np.testing.assert_array_equal(one[0], other[0])
    assert one[0].dtype == np.uint8
    assert 60 < one[0].mean() < 140
