"""A side of `scripts/goldens`: CHECKOUT LOG OUT; leaves OUT/weights.npz and OUT/returns.json."""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import rlformer
from rlformer import api

EPISODES = 30


def main() -> None:
    """Train and play, alone on one thread."""
    checkout, log, out = (Path(argument) for argument in sys.argv[1:])
    assert Path(rlformer.__file__).is_relative_to(checkout), f"{rlformer.__file__} is not of {checkout}"
    run = api.train(
        "dt",
        env="CartPole-v1",
        dataset=api.open_data(log, env="CartPole-v1"),
        overrides=("gradient_steps=40", "validate_every=10"),
        root=out / "runs",
    )
    (weights,) = (run / "checkpoints" / "best").glob("*.safetensors")
    np.savez(out / "weights.npz", **load_file(weights))
    returns = {}
    for name, sample in (("greedy", False), ("sampled", True)):
        _, (result,) = api.evaluate([run], episodes=EPISODES, sample=sample)
        returns[name] = result.returns.tolist()
    for name, former in (("final", "final"), ("other", "sampled")):  # what training itself measured; the name before
        (found,) = [path for stem in {name, former} if (path := run / "eval" / f"{stem}.json").is_file()]
        returns[f"after training, {name}"] = json.loads(found.read_text())["returns"]
    (out / "returns.json").write_text(json.dumps(returns))


main()
