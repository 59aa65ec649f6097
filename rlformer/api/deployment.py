"""Take a trained policy out: load it to act with, or write it for others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rlformer.agents.deployed import DeployedPolicy
from rlformer.agents.loading import LoadedRun, load_run
from rlformer.agents.online.normalization import Normalization
from rlformer.api.policies import Statistics, tell_of
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.envs import cards as env_cards
from rlformer.envs.checked import time_limit
from rlformer.envs.make import make
from rlformer.studies.sources import open_source


def load(
    source: str | Path,
    *,
    env: str | None = None,
    agent: str | None = None,
    sample: bool | None = None,
    trust: bool = False,
    normalization: Statistics = None,
    step: int | None = None,
    warn: Callable[[str], None] = lambda text: None,
) -> DeployedPolicy:
    """A policy that acts as `evaluate` plays it; the environment need not be here.

    In one environment, in its own form: `policy.reset()` at each episode's start, then `action = policy(observation)`,
    or `policy(observation, reward)` of a return-conditioned one. In N side by side, in canonical form: `begin`, `act`,
    `observe`. See `agents.deployed.DeployedPolicy` and docs/deployment.md.

    source: a run directory, a stable-baselines3 .zip (needs `trust`: reading one unpickles), a folder with a Decision
    Transformer of Hugging Face's, a saved tree, or "random" (needs `env`). env: where it acts, for what does not say
    it. sample: whether actions are drawn; None: as it is deployed, which the card of a run says. normalization: the
    file with the VecNormalize of a .zip; None: the one beside it whose name fits; False: none. step: of a policy that
    a run kept when it was the first to pass a threshold (`checkpoints/kept/STEP`), instead of the one at the end of its
    budget. warn: hears which statistics were taken. Raises InputError where the source is none of these.
    """
    spec = None if env is None else env_cards.environment(env)
    found = open_source(str(source), spec, agent, sample, trust, Normalization.of(normalization), step)
    tell_of([found], warn)
    if spec is not None:
        found.check_acts_in(spec)
    return found.deployed(spec)


def export(
    run: str | Path,
    *,
    huggingface: str | Path | None = None,
    sb3: str | Path | None = None,
    onnx: str | Path | None = None,
    minimal: str | Path | None = None,
    trust: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Path:
    """The trained agent of a run in a form that others read; returns where it lies.

    huggingface: a folder for `transformers.DecisionTransformerModel.from_pretrained`. sb3: a .zip for
    stable-baselines3, which pickles. onnx: a file, of any agent with a network. minimal: a folder with such a file and
    a policy.py that needs numpy and onnxruntime alone. trust: whether the module that the run names may be imported,
    where one is needed. tell: hears what else was written, and how it is used. Raises
    InputError unless one of them is given, the agent has that form and nothing else lies there.
    """
    forms = {"--huggingface": huggingface, "--sb3": sb3, "--onnx": onnx, "--minimal": minimal}
    given = [name for name, place in forms.items() if place is not None]
    if len(given) != 1:
        found = f"; got {' and '.join(given)}" if given else ""
        raise InputError(f"give exactly one of --huggingface, --sb3, --onnx and --minimal{found}")
    place, loaded = Path(str(forms[given[0]])), load_run(Path(run), trust=trust)
    return {"--huggingface": _huggingface, "--sb3": _sb3, "--onnx": _onnx, "--minimal": _minimal}[given[0]](
        loaded, place, tell
    )


def _huggingface(run: LoadedRun, folder: Path, tell: Callable[[str], None]) -> Path:
    from rlformer.agents.sequence.huggingface import export_checkpoint
    from rlformer.agents.sequence.learner import SequenceLearner

    if not isinstance(run.learner, SequenceLearner):
        raise InputError(
            f"{run.path}: is not a sequence model, and Hugging Face's library has no format for it; use --onnx"
        )
    export_checkpoint(run.learner, folder, _time_limit(run.spec.env))
    tell(f"{folder / 'rlformer.json'} says how observations and returns are scaled: keep it beside the weights")
    return folder


def _time_limit(env: EnvSpec) -> int | None:
    """Steps after which an episode is cut off; None: unknown, as of an environment that cannot be made here."""
    try:
        made = make(env)
    except InputError:
        return None
    made.close()
    return time_limit(made)


def _sb3(run: LoadedRun, path: Path, tell: Callable[[str], None]) -> Path:
    from rlformer.agents.online.learner import OnlineLearner
    from rlformer.agents.online.zips import export_zip

    if not isinstance(run.learner, OnlineLearner):
        raise InputError(
            f"{run.path}: is not a stable-baselines3 agent; export a Decision Transformer with --huggingface, and "
            "any agent with --onnx"
        )
    path = _new(path if path.suffix == ".zip" else Path(f"{path}.zip"))
    export_zip(run.learner, path)
    for beside in sorted(path.with_suffix("").glob("*.pkl")):
        tell(
            f"also wrote {beside}: the statistics that normalise observations; without them the agent does not act as "
            "trained (load them with VecNormalize.load)"
        )
    return path


def _onnx(run: LoadedRun, path: Path, tell: Callable[[str], None]) -> Path:
    from rlformer.agents.export.graph import export_onnx, table

    step = export_onnx(run, _new(path if path.suffix == ".onnx" else Path(f"{path}.onnx")))
    tell(f"inputs\n{table(step.inputs)}\noutputs\n{table(step.outputs)}")
    return path if path.suffix == ".onnx" else Path(f"{path}.onnx")


def _minimal(run: LoadedRun, folder: Path, tell: Callable[[str], None]) -> Path:
    from rlformer.agents.export.minimal import FILES, export_minimal

    export_minimal(run, folder)
    tell(f"wrote {', '.join(FILES)}: README.txt says how to use them")
    return folder


def _new(path: Path) -> Path:
    """The path, in a folder that can be written. Raises InputError where something lies there."""
    if path.exists():
        raise InputError(f"{path}: exists already; name another file, or delete it")
    files.writable_directory(path.parent)
    return path
