"""The functions behind the commands, for use from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from rlformer import catalogue, environments, experiment, seeding, study
from rlformer.config import resolve
from rlformer.data.collect import collect as _collect
from rlformer.data.dataset import Dataset
from rlformer.data.doors import open_data as _open_data
from rlformer.errors import InputError
from rlformer.evaluation import evaluate as _evaluate
from rlformer.executor import Event
from rlformer.learners.foreign import load_zip
from rlformer.rollout import RandomPolicy
from rlformer.runs import files
from rlformer.runs.directory import RunDirectory
from rlformer.types import EnvSpec, EvalResult, Policy


class Progress(Protocol):
    """Hears how far long work is."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


def load(
    source: str | Path,
    *,
    env: str | None = None,
    agent: str | None = None,
    sample: bool = False,
    trust: bool = False,
) -> Policy:
    """A policy that acts: `load(run).act(observations)` with observations (N, *obs) gives actions (N, *act).

    source: a run directory, a stable-baselines3 .zip (needs `trust`: reading one unpickles), or "random" (needs `env`).
    A sequence model also wants to hear what happened: `policy.observe(actions, rewards)` after each step.
    Raises InputError where the source is none of these.
    """
    return _policy(str(source), None if env is None else catalogue.environment(env), agent, sample, trust)[0]


def open_data(source: str | Path, *, env: str | None = None, prefix: str | None = None, **options: Any) -> Dataset:
    """The log that a person names: our dataset, a run that kept its training, a Minari id or folder, HDF5, NPZ.

    prefix: of a training log, how much of it: mid, full, a share of its steps, or a number of them.
    """
    text = str(source)
    if (Path(text) / experiment.TRAJECTORIES).is_dir():
        text = str(Path(text) / experiment.TRAJECTORIES)
    dataset = _open_data(text, env=None if env is None else catalogue.environment(env), **options)
    return dataset if prefix is None else study.open_log(dataset, prefix)


def train(
    agent: str,
    *,
    env: str | None = None,
    dataset: Dataset | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
    log_trajectories: bool = False,
    root: str | Path = "runs",
    threads: int = 1,
    **hooks: Any,
) -> Path:
    """Train one agent on an environment or on a log, and return its run directory.

    overrides: "key=value" strings. Continues an unfinished run; leaves a finished one alone. hooks: `stop` and
    `listener` of `experiment.train`. Raises InputError for what the caller can mend.
    """
    if env is not None:
        spec = catalogue.environment(env)
    elif dataset is not None:
        spec = experiment.dataset_env(dataset)
    else:
        raise InputError("train needs an environment or a dataset")
    data = None if dataset is None else experiment.data_reference(dataset)
    config = resolve(spec, agent, overrides, data, log_trajectories)
    return experiment.train(config, seed, Path(root), dataset=dataset, threads=threads, **hooks).path


def evaluate(
    sources: Sequence[str],
    *,
    env: str | None = None,
    episodes: int = 100,
    seed: int = experiment.EVALUATION_SEED,
    num_envs: int = 16,
    target_return: float | None = None,
    agent: str | None = None,
    sample: bool = False,
    trust: bool = False,
    progress: Progress | None = None,
) -> tuple[EnvSpec, list[EvalResult]]:
    """Every policy on the same fixed episodes.

    target_return overrides what return-conditioned policies ask for. Raises InputError where the policies belong to
    different environments or one of them cannot act here.
    """
    if episodes < 1 or num_envs < 1:
        raise InputError(f"--episodes {episodes} and --num-envs {num_envs}: one at least")
    spec = None if env is None else catalogue.environment(env)
    loaded = [_policy(source, spec, agent, sample, trust) for source in sources]
    specs = [s for _, s in loaded if s is not None]
    if spec is None and not specs:
        raise InputError("which environment? --env names it")
    spec = spec or specs[0]
    for source, (_, own) in zip(sources, loaded, strict=True):
        if own is not None and own.definition != spec.definition and env is None:
            raise InputError(f"{source}: trained on {own.name}, the others on {spec.name}; --env chooses one for all")
    seeds = seeding.episode_seeds(seed, "evaluate", episodes)
    results = []
    for source, (policy, own) in zip(sources, loaded, strict=True):
        if own is not None:
            _check_same_spaces(source, own, spec)
        results.append(
            _evaluate(
                policy,
                spec,
                seeds,
                name=source,
                num_envs=num_envs,
                target_return=target_return,
                sampled=sample,
                progress=None if progress is None else partial(progress, note=source),
            )
        )
    return spec, results


def beyond_the_log(sources: Sequence[str], target_return: float | None) -> list[str]:
    """A sentence for each run that would be asked for more than its log ever reached."""
    found = []
    for source in sources:
        if target_return is None or not (Path(source) / "record.json").is_file():
            continue
        best = RunDirectory.open(Path(source)).record.scales.get("log_max")
        if best is not None and target_return > best:
            found.append(f"{source}: {target_return:g} is asked for and the log's best is {best:g}: extrapolation")
    return found


def collect(
    source: str,
    *,
    env: str | None = None,
    out: str | Path | None = None,
    episodes: int | None = None,
    steps: int | None = None,
    epsilon: float = 0.0,
    seed: int = 0,
    num_envs: int = 64,
    agent: str | None = None,
    sample: bool = False,
    trust: bool = False,
    **hooks: Any,
) -> Dataset:
    """Whole episodes of a policy as a dataset; see `data.collect.collect`. One of `episodes` and `steps` is needed."""
    if (episodes is None) == (steps is None):
        raise InputError("give one of --episodes and --steps")
    if not 0 <= epsilon <= 1:
        raise InputError(f"--epsilon {epsilon}: a share from 0 to 1")
    spec = None if env is None else catalogue.environment(env)
    policy, own = _policy(source, spec, agent, sample, trust)
    spec = spec or own
    if spec is None:
        raise InputError("which environment? --env names it")
    behind = 0 if source == "random" else None
    if (Path(source) / "record.json").is_file():
        cost = RunDirectory.open(Path(source)).record.cost
        behind = cost.env_steps + (cost.upstream_env_steps or 0)
    amount = f"{episodes}ep" if episodes is not None else f"{steps}st"
    name = f"{spec.name}-{Path(source).name if source != 'random' else source}-{amount}-seed{seed}"
    return _collect(
        policy,
        spec,
        Path(out) if out is not None else Path("datasets") / name.replace("/", "-"),
        seed=seed,
        episodes=episodes,
        steps=steps,
        num_envs=num_envs,
        epsilon=epsilon,
        provenance={"policy": source, "sampled": sample},
        upstream_env_steps=behind,
        **hooks,
    )


def compare(
    env: str,
    *,
    dataset: Dataset | None = None,
    profile: str = "quick",
    arms: Sequence[str] | None = None,
    seeds: int | None = None,
    prefix: str = "mid",
    overrides: Sequence[str] = (),
    root: str | Path = "runs",
    out: str | Path | None = None,
    jobs: int | None = None,
    threads: int = 1,
    command: str | None = None,
    listen: Callable[[Event], None] = lambda event: None,
) -> Mapping[str, Any]:
    """Train every arm on every seed, write the report, and return what its results.json holds.

    dataset: your log; without one it is the `prefix` of PPO's own training of the same seed. arms, seeds: instead of
    the profile's. overrides: "agent.key=value" strings. jobs: runs side by side, one a core by default. Finished runs
    are not run again. Raises InputError for what the caller can mend, Interrupted on Ctrl-C.
    """
    made = study.plan(
        env,
        profile=profile,
        arms=arms,
        seeds=seeds,
        dataset=None if dataset is None else dataset.path,
        prefix=prefix,
        overrides=overrides,
        root=Path(root),
        threads=threads,
        command=command,
    )
    runs = study.execute(made, jobs=jobs, threads=threads, listen=listen)
    return report(runs, out=out or report_folder(env), command=command)


def report_folder(env: str) -> Path:
    """Where the report of a comparison goes if nothing else is said."""
    return Path("reports") / files.slug(env)


def report(
    directories: Sequence[str | Path],
    *,
    out: str | Path,
    title: str | None = None,
    command: str | None = None,
) -> Mapping[str, Any]:
    """Rebuild report.html, report.md and results.json in `out`; returns what results.json holds."""
    from rlformer.report import build

    return build([Path(d) for d in directories], Path(out), title=title, command=command)


def _policy(
    source: str, env: EnvSpec | None, agent: str | None, sample: bool, trust: bool
) -> tuple[Policy, EnvSpec | None]:
    """The policy that a person names, and the environment it was trained on where that is known."""
    if source == "random":
        if env is None:
            raise InputError("'random' needs --env")
        made = environments.make(env)
        spec = environments.action_spec(made.action_space)
        made.close()
        return RandomPolicy(spec), env
    path = Path(source)
    if path.suffix == ".zip":
        return load_zip(path, agent, None, trust, env, sample), None
    policy, config = experiment.load_policy(path, sample)
    return policy, config.env


def _check_same_spaces(source: str, own: EnvSpec, spec: EnvSpec) -> None:
    if own.definition == spec.definition:
        return
    spaces = []
    for each in (own, spec):
        made = environments.make(each)
        spaces.append((made.observation_space.shape, environments.action_spec(made.action_space).describe()))
        made.close()
    if spaces[0] != spaces[1]:
        raise InputError(
            f"{source}: was trained for observations {spaces[0][0]} and actions {spaces[0][1]}; "
            f"{spec.name} has {spaces[1][0]} and {spaces[1][1]}"
        )
