"""A trained policy that needs numpy and onnxruntime alone: `policy.reset()`, then `action = policy(observation)`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

HERE = Path(__file__).parent


class Policy:
    """Acts in one environment, whose own observations it reads and whose own actions it gives."""

    def __init__(self, model: str | Path = HERE / "model.onnx") -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a small network gains nothing from more
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.about = {k: json.loads(v) for k, v in self.session.get_modelmeta().custom_metadata_map.items()}
        self.shapes = {port["name"]: (port["shape"], port["dtype"]) for port in self.about["inputs"]}
        self.feed: dict[str, Any] | None = None

    def reset(self, target_return: float | None = None, seed: int | None = None) -> None:
        """An episode begins. target_return: what a return-conditioned policy is asked for; None: its own.

        seed: of a policy that draws its actions, about["action_selection"]; None: another one each time.
        """
        self.random = np.random.default_rng(None if seed is None else (seed, 2, 0))
        self.to_go = self.about["target_return"] if target_return is None else float(target_return)
        if "return_to_go" in self.shapes and (self.to_go is None or not np.isfinite(self.to_go)):
            raise ValueError("reset(target_return=R): what return is asked for?")
        self.feed = {name: np.zeros((1, *shape), dtype) for name, (shape, dtype) in self.shapes.items()}
        self.begun = False

    def __call__(self, observation: Any, reward: float | None = None) -> Any:
        """The action for one observation; reward: what the action before earned, which a return is counted down by."""
        if self.feed is None:
            raise RuntimeError("reset() comes first, at each episode's start")
        feed, numbers = self.feed, _flat(self.about["spaces"]["observation"], observation, "observation")
        feed["observation"] = np.concatenate(numbers).astype(np.float32).reshape(feed["observation"].shape)
        if "return_to_go" in feed:
            if self.begun and reward is None:
                raise ValueError("policy(observation, reward): what did the action before earn?")
            self.to_go -= float(np.asarray(reward).reshape(())) if self.begun else 0.0
            feed["return_to_go"][0] = self.to_go
        if "uniform" in feed:
            feed["uniform"] = self.random.random(feed["uniform"].shape, np.float32)
        if "normal" in feed:
            feed["normal"] = self.random.standard_normal(feed["normal"].shape, np.float32)
        action, _, *memory = self.session.run(None, feed)
        feed.update({"memory": memory[0]} if memory else {})
        feed.update({"previous_action": action} if "previous_action" in feed else {})
        self.begun = True
        return _native(self.about["spaces"]["action"], action[0])


def _flat(space: dict[str, Any], value: Any, name: str) -> list[Any]:
    """The numbers of an observation, part by part; categories are one-hot."""
    if space["kind"] == "dict":
        return [x for key, part in space["spaces"] for x in _flat(part, value[key], f"{name}[{key!r}]")]
    if space["kind"] == "tuple":
        return [x for i, part in enumerate(space["spaces"]) for x in _flat(part, value[i], f"{name}[{i}]")]
    value, shape = np.asarray(value), tuple(space.get("shape", np.shape(space.get("nvec", 0))))
    if value.shape != shape or not np.isfinite(value).all():
        raise ValueError(f"{name}: expected finite numbers of shape {shape}, got shape {value.shape}")
    if space["kind"] in ("box", "multibinary"):
        return [value.ravel()]
    levels, hot = np.ravel(value) - np.ravel(space["start"]), np.ravel(space["nvec" if "nvec" in space else "n"])
    if (levels < 0).any() or (levels >= hot).any():
        raise ValueError(f"{name}: a category is none of the space's: {value}")
    return [np.arange(n) == level for n, level in zip(hot, levels, strict=True)]


def _native(space: dict[str, Any], action: Any) -> Any:
    """A canonical action as the environment takes it."""
    if space["kind"] == "discrete":
        return int(action) + space["start"]
    if space["kind"] == "multidiscrete":
        return (action.reshape(np.shape(space["nvec"])) + np.array(space["start"])).astype(space["dtype"])
    if space["kind"] == "multibinary":
        return action.reshape(space["shape"]).astype(np.int8)
    dtype, own = np.dtype(space["dtype"]), action.ravel()
    own = np.rint(own) if dtype.kind in "iu" else own.astype(dtype)
    for bound, beyond, nearer in ((space["low"], -np.inf, np.maximum), (space["high"], np.inf, np.minimum)):
        own = nearer(own, [beyond if end is None else end for end in np.ravel(bound)])  # one for all, or one for each
    return own.reshape(space["shape"]).astype(dtype)
