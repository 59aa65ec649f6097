"""What a study says that success is: asked for in one way, of an environment that can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
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
    with pytest.raises(InputError, match=r"^verdict\.success: CartPole-v1 does not report success .*--good-enough"):
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
    assert success.said(Terms(good_enough=8.0), EnvSpec("Cardless-v0", "Cardless-v0")) == []


@pytest.mark.parametrize(
    ("env", "asked", "message"),
    [
        (
            "CartPole-v1",
            22.0,
            "verdict.good_enough: 22: on CartPole-v1 random play returns 22.33; give a higher return",
        ),
        ("Taxi-v4", -800, "verdict.good_enough: -800: on Taxi-v4 random play returns -767.1; give a higher return"),
        ("CartPole-v1", 1e12, "verdict.good_enough: 1e+12 is 2.1e+09 of the normalised score of CartPole-v1: too much"),
    ],
)
def test_a_return_that_random_play_has_is_refused_before_anything_is_trained(
    env: str, asked: float, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan(asking(env, good_enough=asked))
    assert str(caught.value) == message


def test_without_a_card_a_few_episodes_of_random_play_say_what_is_no_success(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every episode returns 3."""
    monkeypatch.syspath_prepend(str(workspace))
    (workspace / "paying.py").write_text(TELLING.replace("Telling", "Paying"))
    with pytest.raises(InputError, match=r"^verdict\.good_enough: 3: on paying:Paying-v0 random play returns 3; give"):
        plan(asking("paying:Paying-v0", good_enough=3))
    assert plan(asking("paying:Paying-v0", good_enough=3.5)).arms == ("random",)
