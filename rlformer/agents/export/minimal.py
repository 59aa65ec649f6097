"""A folder with a policy that needs neither this package nor torch: model.onnx, policy.py and README.txt."""

from __future__ import annotations

from importlib import metadata, resources
from pathlib import Path

from rlformer.agents.export.graph import described, export_onnx, table
from rlformer.agents.loading import LoadedRun
from rlformer.core import files
from rlformer.core.errors import InputError

FILES = ("model.onnx", "policy.py", "README.txt")
_README = """\
{agent}, trained by rlformer {version} for {environment}

    pip install numpy onnxruntime

    from policy import Policy          # policy.py, in this folder
    policy = Policy()
    policy.reset()                     # at the start of each episode
{call}

observation: {observation}
action: {action}

model.onnx can be used without policy.py, for N episodes side by side:

inputs
{inputs}
outputs
{outputs}

observation is canonical: the parts of a Dict or Tuple one after the other, categories one-hot. action is canonical:
categories count from 0. memory is zeros at an episode's first step, later next_memory of the step before.
previous_action is what was executed at the step before, return_to_go the return asked for less the rewards so far.
{random}All of this stands as JSON in the file's metadata too (custom_metadata_map of onnxruntime).
"""
_CALL = """\
    action = policy(observation)       # one observation as the environment gives it; env.step takes the action"""
_CALL_WITH_REWARD = """\
    action = policy(observation, reward)   # one observation as the environment gives it; env.step takes the action

reward is what the action before earned, None at an episode's first step: the policy counts down the return that it is
asked for. That is {target} unless reset(target_return=R) says otherwise."""


_RANDOM = """\
{name} are random numbers{of}, new ones at every step: actions are drawn. reset(seed=N) repeats an episode's.
"""


def export_minimal(run: LoadedRun, folder: Path) -> None:
    """Write the folder. Raises InputError where it holds other things, and as `export_onnx` does."""
    ours = {*FILES, "__pycache__"}  # which Python leaves there
    if folder.exists() and (not folder.is_dir() or not {path.name for path in folder.iterdir()} <= ours):
        raise InputError(f"{folder}: holds something other than an exported policy; name another folder")
    known = described(run)
    files.writable_directory(folder)
    step = export_onnx(run, folder / "model.onnx")
    source = resources.files("rlformer.agents.export").joinpath("minimal_policy.py").read_text(encoding="utf-8")
    files.write_text(folder / "policy.py", source)
    returns = any(port.name == "return_to_go" for port in step.inputs)
    drawn = {"uniform": " in [0, 1)", "normal": " with mean 0 and deviation 1"}
    random = [_RANDOM.format(name=port.name, of=drawn[port.name]) for port in step.inputs if port.name in drawn]
    words = {
        "random": "".join(random),
        "agent": known.agent,
        "environment": known.environment,
        "version": metadata.version("rlformer"),
        "call": _CALL_WITH_REWARD.format(target=known.target_return) if returns else _CALL,
        "observation": str(known.native.observation),
        "action": str(known.native.action),
        "inputs": table(step.inputs),
        "outputs": table(step.outputs),
    }
    files.write_text(folder / "README.txt", _README.format(**words))
