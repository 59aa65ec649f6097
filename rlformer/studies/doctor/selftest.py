"""Two tiny agents are trained, evaluated and opened again: all that a comparison does, in some seconds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rlformer.studies.doctor.examination import Finding

_NAME, _ENV = "self-test", "CartPole-v1"
_PPO = ("steps=512", "num_envs=2", "n_steps=128", "n_epochs=1", "hidden=[16]")
_DT = ("gradient_steps=20", "width=16", "heads=1", "layers=1", "batch_size=8", "validate_every=20", "context_length=5")

Progress = Callable[[int, int, str], None]


def self_test(progress: Progress, raise_failure: bool = False) -> Finding:
    """Train PPO on an environment and dt on its log, play both, read all back. What fails is told, or raised."""
    start = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="rlformer-doctor-") as folder:
            found = _train(Path(folder), progress)
    except Exception as error:  # whatever is broken on this machine
        if raise_failure:
            raise
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Finding(_NAME, "wrong", what, "rlformer doctor --debug shows where it fails")
    return Finding(_NAME, "ok", f"{found} in {time.perf_counter() - start:.1f} s")


def _train(folder: Path, progress: Progress) -> str:
    progress(0, 3, "importing torch")
    from rlformer.agents.cards import resolve
    from rlformer.agents.loading import load_policy
    from rlformer.core import seeding
    from rlformer.data.describe import log_input
    from rlformer.data.folder import load
    from rlformer.envs import cards as env_cards
    from rlformer.envs.play import play
    from rlformer.evaluator.measure.protocol import Protocol
    from rlformer.studies import experiment

    env = env_cards.environment(_ENV)
    protocol = Protocol(4, curve_episodes=2, fresh_episodes=4, target_episodes=2, other_episodes=2, num_envs=4)
    progress(1, 3, "training PPO")
    ppo = experiment.train(resolve(env, "ppo", _PPO, keeps_log=True), 0, folder, protocol=protocol)
    log = load(ppo.trajectories)
    progress(2, 3, "training dt on its log")
    spec = resolve(env, "dt", _DT, (log_input(log),))
    dt = experiment.train(spec, 0, folder, dataset=log, protocol=protocol)
    seeds = seeding.episode_seeds(0, "evaluate", 4)
    for run in (ppo, dt):
        final = run.evaluations()["final"]
        targets = final.target_return
        again = play(load_policy(run.path)[0], env, seeds, target_return=targets, num_envs=4)
        if again.returns.tolist() != final.returns.tolist():
            raise RuntimeError(f"{run.spec.agent.name} plays differently when it is opened again")
    progress(3, 3, "")
    return f"PPO and dt were trained on {_ENV}, played and opened again"
