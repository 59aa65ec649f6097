"""An agent that others trained, as an arm: `--arms dt,ppo=path.zip`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

import rlformer
from rlformer import api
from rlformer.agents import cards as agent_cards
from rlformer.agents.online.zip_learner import ZipLearner
from rlformer.core.errors import InputError
from rlformer.envs import cards as env_cards
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.directory import RunDirectory
from rlformer.studies import experiment, specify
from rlformer.studies.execute import execute
from rlformer.studies.executors.base import Event, Job, Work
from rlformer.studies.study import Study
from tests.agents.test_online import ZOO

CARTPOLE = env_cards.environment("CartPole-v1")
here = pytest.mark.skipif(not ZOO.is_dir(), reason="the published agents are not here")


class Here:
    """An executor in this process."""

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        """See `studies.executors.Executor`."""
        for job in tasks:
            yield Event(job.key, "finished", work(job.payload, lambda: False, lambda *told: None))


def published(folder: Path, steps: int = 4096, name: str = "CartPole-v1.zip") -> Path:
    """A zip of PPO that balances, with networks that are not the usual ones; it says how long it was trained."""
    kwargs = {"net_arch": {"pi": [], "vf": [4, 4]}, "activation_fn": torch.nn.ELU}
    model = PPO("MlpPolicy", VecNormalize(DummyVecEnv([cartpole])), policy_kwargs=kwargs, seed=0)
    with torch.no_grad():  # towards where the pole falls
        model.policy.action_net.weight[:] = torch.tensor([[0.0] * 4, [0.3, 0.6, 3.0, 3.0]])  # type: ignore[operator]
        model.policy.action_net.bias[:] = 0.0  # type: ignore[operator]
    model.num_timesteps = steps
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / name)
    model.get_vec_normalize_env().save(str(folder / "vecnormalize.pkl"))  # type: ignore[union-attr]
    return folder / name


def cartpole() -> gym.Env[Any, Any]:
    return gym.make("CartPole-v1")


def trained(path: Path, folder: Path, seed: int = 0, agent: str = "ppo") -> RunDirectory:
    study = Study("CartPole-v1", arms=(f"{agent}={path}",), trust=True)
    (spec,) = specify.specs(study, CARTPOLE, (f"{agent}={path}",), None).values()
    return experiment.train(spec, seed, folder, protocol=Protocol(4, 2, 4, 2, 2, num_envs=4))


def test_it_is_measured_as_it_is_and_its_run_holds_no_pickle(tmp_path: Path) -> None:
    path = published(tmp_path / "zoo")
    run = trained(path, tmp_path)
    record = run.record
    assert (record.cost.env_steps, record.cost.upstream_env_steps, record.cost.upstream_cpu_seconds) == (0, 4096, None)
    assert record.parameters == 4 * 2 + 2
    assert "trained elsewhere, for 4,096 environment steps" in record.notes
    assert any("normalised by" in note for note in record.notes)
    data = json.loads(zipfile.ZipFile(run.checkpoints / "best" / "agent.zip").read("data"))
    assert not [key for key, value in data.items() if isinstance(value, dict) and ":serialized:" in value]
    for file in (tmp_path / "zoo").glob("*"):
        file.unlink()
    seen = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    policy = rlformer.load(run.path)
    policy.begin(np.arange(8), np.arange(8), None)
    again = published(tmp_path / "zoo")
    theirs = PPO.load(again)
    statistics = VecNormalize.load(str(tmp_path / "zoo" / "vecnormalize.pkl"), DummyVecEnv([cartpole]))
    expected, _ = theirs.predict(statistics.normalize_obs(seen), deterministic=True)
    assert policy.act(seen).tolist() == expected.tolist()


def test_a_run_into_which_somebody_put_a_pickle_is_not_opened(tmp_path: Path) -> None:
    run = trained(published(tmp_path / "zoo"), tmp_path)
    best = run.checkpoints / "best"
    (best / "agent.zip").write_bytes(published(tmp_path / "other").read_bytes())
    with pytest.raises(InputError, match=r"agent\.zip: contains pickles, which a run never contains"):
        ZipLearner.load(best, CARTPOLE, run.spec.values)
    told = json.loads((best / "agent.json").read_text())
    for kwargs in ({"activation_fn": {"torch.nn": "utils"}}, {"activation_fn": {"torch.nn": "Identity"}, "mine": 1}):
        (best / "agent.json").write_text(json.dumps({**told, "policy_kwargs": kwargs}))
        with pytest.raises(InputError, match="agent"):
            ZipLearner.load(best, CARTPOLE, run.spec.values)


def test_what_cannot_be_an_arm_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    path = published(tmp_path / "zoo")
    DQN("MlpPolicy", "CartPole-v1", buffer_size=1).save(tmp_path / "dqn.zip")
    SAC("MlpPolicy", "Pendulum-v1", buffer_size=1).save(tmp_path / "sac.zip")
    (tmp_path / "text.zip").write_text("no zip")
    arms = ("random",)

    def asked(arm: str, trust: bool = True) -> None:
        api.plan(Study("CartPole-v1", arms=(*arms, arm), seeds=1, trust=trust))

    with pytest.raises(InputError, match=r"must be unpickled, which can run code: pass --trust"):
        asked(f"ppo={path}", trust=False)
    with pytest.raises(InputError, match=r"it holds an agent of DQN: dqn="):
        asked(f"ppo={tmp_path / 'dqn.zip'}")
    with pytest.raises(InputError, match=r"reads 3 numbers, an observation of CartPole-v1 has shape \(4,\)"):
        asked(f"sac={tmp_path / 'sac.zip'}")
    with pytest.raises(InputError, match=r"not a stable-baselines3 \.zip"):
        asked(f"ppo={tmp_path / 'text.zip'}")
    with pytest.raises(InputError, match="no such file"):
        asked(f"ppo={tmp_path / 'nowhere.zip'}")
    with pytest.raises(InputError, match="unknown agent 'pp0'"):
        asked(f"pp0={path}")
    with pytest.raises(InputError, match="a log comes from the training of an online agent, and"):
        api.plan(Study("CartPole-v1", arms=("bc",), seeds=1, trust=True).with_values({"log.agent": f"ppo={path}"}))


def test_one_whose_steps_nobody_knows_is_no_candidate(tmp_path: Path) -> None:
    known, unknown = (agent_cards.agent(f"ppo={published(tmp_path / str(n), steps=n)}") for n in (4096, 0))
    assert (known.role, unknown.role) == ("candidate", "control")
    assert (known.family, known.rung) == ("online", agent_cards.agent("ppo").rung)
    assert "for an unknown number of steps" in unknown.tuning


def test_a_study_file_cannot_say_that_a_zip_is_trusted(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    replace(Study("CartPole-v1", arms=("random",), trust=True)).write(file)
    assert "trust" not in file.read_text()
    assert not Study.read(file).trust


@pytest.mark.slow
def test_it_is_judged_like_an_arm_that_learned_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """T is the steps of its training, elsewhere; its seconds are not known, so that it leads nobody by them."""
    monkeypatch.chdir(tmp_path)
    path = published(tmp_path / "zoo")
    study = Study(
        "CartPole-v1", arms=("random", "ppo", f"ppo={path}"), seeds=2, trust=True, episodes=10,
        overrides={"ppo": ("steps=2048", "hidden=[8]")}, terms=Terms(good_enough=150.0),
    )  # fmt: skip
    outcome = execute(api.plan(study), Here())
    assert not outcome.failures
    report = rlformer.write_report(outcome.runs, out=tmp_path / "report", terms=study.terms)
    arm = report.arm("ppo=CartPole-v1.zip")
    assert (arm.family, arm.steps_env, arm.cost.env_steps.mean) == ("online", True, 4096)  # type: ignore[union-attr]
    assert all(run.cost.upstream_env_steps == 0 for run in arm.runs)  # its steps are paid once
    assert all(run.learning_seconds == 0 for run in arm.runs)
    assert "ppo=CartPole-v1.zip" in (tmp_path / "report" / "report.html").read_text()
    needs = report.judgement.environments[0].needs
    assert needs is not None
    rows = {row.label: row for row in needs.online}
    assert rows["ppo=CartPole-v1.zip"].learning_seconds is None
    assert rows["ppo=CartPole-v1.zip"].times == (4096.0, 4096.0)
    assert rlformer.judge([tmp_path / "runs"], terms=study.terms).verdict == report.verdict


@here
@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "file", "env"),
    [
        ("ars", "ars/CartPole-v1_1/CartPole-v1.zip", "CartPole-v1"),
        ("qrdqn", "qrdqn/CartPole-v1_1/CartPole-v1.zip", "CartPole-v1"),
        ("dqn", "dqn/CartPole-v1_1/CartPole-v1.zip", "CartPole-v1"),
        ("sac", "sac/Pendulum-v1_1/Pendulum-v1.zip", "Pendulum-v1"),
        ("ppo", "ppo/MountainCar-v0_1/MountainCar-v0.zip", "MountainCar-v0"),
    ],
)
def test_published_agents_are_kept_as_they_are(agent: str, file: str, env: str, tmp_path: Path) -> None:
    spec = env_cards.environment(env)
    values = {**agent_cards.agent(f"{agent}={ZOO / file}").defaults, "trust": True}
    learner = ZipLearner()
    learner._path = ZOO / file
    from rlformer.agents.online.zip_learner import _open

    learner._opened = _open(spec, values)
    learner.save(tmp_path)
    again = ZipLearner.load(tmp_path, spec, values)
    size = int(np.prod(learner.opened.space.shape)) if isinstance(learner.opened.space, spaces.Box) else 0
    seen = np.random.default_rng(0).normal(size=(16, size)).astype(np.float32)
    acted = []
    for one in (learner, again):
        policy = one.policy()
        policy.begin(np.arange(16), np.arange(16), None)
        acted.append(policy.act(seen))
    np.testing.assert_array_equal(*acted)


@pytest.mark.slow
def test_its_runs_are_projected_though_nothing_of_it_can_be_probed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = published(tmp_path / "zoo")
    found = api.project(Study("CartPole-v1", arms=("random", f"ppo={path}"), seeds=2, trust=True, episodes=4))
    rows = {row.agent: row for row in found.agents}
    assert (rows[f"ppo={path}"].runs, rows[f"ppo={path}"].env_steps) == (2, 0)
