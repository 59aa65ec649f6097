"""What a study says that success is: asked for in one way, of an environment that can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlformer.core.errors import InputError
from rlformer.envs import cards as env_cards
from rlformer.evaluator.judge.terms import Terms
from rlformer.studies import success
from rlformer.studies.plan import plan
from rlformer.studies.study import Study

TELLING = '''
import gymnasium as gym

class Telling(gym.Env):
    """Ends after three steps, and says whether the last action was 1."""
    observation_space = gym.spaces.Box(0, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.observation_space.low, {}

    def step(self, action):
        self.time += 1
        over = self.time == 3
        return self.observation_space.low, 1.0, over, False, {"is_success": bool(action)} if over else {}

gym.register("Telling-v0", Telling)
'''


def asking(env: str, **values: object) -> Study:
    named = {f"verdict.{key}": value for key, value in values.items()}
    return Study(env, arms=("random",), seeds=1).with_values(named)


def test_success_is_refused_where_the_environment_tells_of_none_before_anything_is_trained() -> None:
    with pytest.raises(InputError, match=r"^verdict\.success: CartPole-v1 tells of no success, .*--good-enough"):
        plan(asking("CartPole-v1", success=0.8))


def test_an_environment_that_tells_of_success_is_taken_at_its_word(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(workspace))
    (workspace / "telling.py").write_text(TELLING)
    assert plan(asking("telling:Telling-v0", success=0.8)).arms == ("random",)
    assert success.tells(env_cards.environment("telling:Telling-v0")) is True


def test_two_ways_to_say_what_is_good_enough_are_refused() -> None:
    """By the terms, or by the plan."""
    with pytest.raises(InputError, match=r"good.enough"):
        plan(asking("CartPole-v1", success=0.8, good_enough=400))


def test_a_return_that_is_good_enough_takes_the_place_of_the_threshold_of_a_card_and_that_is_said() -> None:
    card = env_cards.environment("CartPole-v1")
    (line,) = success.said(Terms(good_enough=400.0), card)
    assert line.startswith("A return of 400 is good enough here, which is 0.79 of the normalised score of the card:")
    assert success.said(Terms(), card) == []
    assert success.said(Terms(good_enough=8.0), env_cards.environment("FrozenLake8x8-v1")) == []
