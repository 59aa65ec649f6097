"""A policy as an ONNX file: the step of `export.steps` as a graph, and in its metadata all that it takes to act."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from rlformer.agents.export.steps import Port, Step, example, step_of
from rlformer.agents.loading import LoadedRun
from rlformer.core import files
from rlformer.core.errors import InputError, MissingExtra
from rlformer.core.records import SCHEMA
from rlformer.envs.native import NativeSpaces

ActionSelection: TypeAlias = Literal["greedy", "sampled"]

_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_TOLERANCE = 1e-4  # of what the check of a written file compares, beside what float32 rounds


@dataclass(frozen=True)
class Described:
    """What an ONNX file says of itself beside its graph."""

    agent: str
    environment: str
    native: NativeSpaces
    context_length: int | None  # steps that an action depends on; None: the whole episode
    target_return: float | None  # what to ask for if nothing is said; None: nothing
    action_selection: ActionSelection = "greedy"

    def metadata(self, step: Step) -> dict[str, str]:
        """JSON by name. `spaces` is in the form of `envs.native`."""
        values: dict[str, Any] = {
            "schema": SCHEMA,
            "rlformer": metadata.version("rlformer"),
            "agent": self.agent,
            "environment": self.environment,
            "context_length": self.context_length,
            "target_return": self.target_return,
            "action_selection": self.action_selection,
            "inputs": [asdict(port) for port in step.inputs],
            "outputs": [asdict(port) for port in step.outputs],
            "spaces": self.native.to_dict(),
        }
        return {name: json.dumps(value, allow_nan=False) for name, value in values.items()}


def described(run: LoadedRun) -> Described:
    """What is known of a run's policy."""
    policy = run.policy()
    return Described(
        run.spec.agent.name,
        run.spec.env.name,
        run.native,
        getattr(policy, "context_length", 1),
        run.record.scales.get("target_return"),
        "sampled" if run.samples else "greedy",
    )


def export_onnx(run: LoadedRun, path: Path) -> Step:
    """Write the deployed policy of a run as a graph whose batch is dynamic, and compare the two.

    Raises MissingExtra without the extra 'onnx', and InputError where the agent has no network.
    """
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise MissingExtra("onnx", "ONNX")
    if not run.kind.acts or not run.kind.learns:
        raise InputError(f"{run.path}: {run.spec.agent.name} has no network, so there is nothing to export")
    known = described(run)
    step = step_of(run.policy(), known.native.canonical.observation).eval()
    with files.replacing(path) as temporary:
        write(step, known.metadata(step), temporary)
        compare(step, temporary)
    return step


def write(step: Step, described: Mapping[str, str], path: Path) -> None:
    """The step as an ONNX file, with these metadata."""
    inputs = example(step, 3)
    with torch.no_grad(), _quiet():
        step(*inputs)  # fills what the model keeps for windows of this length, which tracing must not
        batch = torch.export.Dim("batch", min=1)
        program = torch.onnx.export(
            step,
            inputs,
            input_names=[port.name for port in step.inputs],
            output_names=[port.name for port in step.outputs],
            dynamic_shapes={"inputs": tuple({0: batch} for _ in inputs)},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update(described)
    program.save(str(path), external_data=False)


def compare(step: Step, path: Path) -> None:
    """Raise RuntimeError unless the file computes what the step does, over several steps of several episodes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    for count in (1, 4):
        inputs = example(step, count, seed=count)
        for number in range(4):
            with torch.no_grad():
                expected = step(*inputs)
            found = session.run(None, {p.name: x.numpy() for p, x in zip(step.inputs, inputs, strict=True)})
            for port, ours, theirs in zip(step.outputs, expected, found, strict=True):
                if port.name == "action" and port.dtype == "int64":
                    continue  # of two scores that are alike, rounding may take either
                if not np.allclose(ours.numpy(), theirs, rtol=_TOLERANCE, atol=_TOLERANCE):
                    raise RuntimeError(f"the ONNX file's {port.name} is not the policy's, at step {number} of {count}")
            inputs = _following(step, inputs, expected)


def _following(step: Step, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs of the step behind these."""
    results = {port.name: tensor for port, tensor in zip(step.outputs, outputs, strict=True)}
    behind = {"previous_action": results["action"], "memory": results.get("next_memory", results["action"])}
    return tuple(behind.get(port.name, tensor) for port, tensor in zip(step.inputs, inputs, strict=True))


def table(ports: tuple[Port, ...]) -> str:
    """A line for each: name, shape with the batch's axis, dtype."""
    return "\n".join(f"  {p.name:<16}{str(['N', *p.shape]).replace(chr(39), ''):<16}{p.dtype}" for p in ports)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on libraries that are not here and on its own code."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
