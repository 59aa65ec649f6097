"""One policy or one log: train, evaluate, collect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from rlformer.agents import cards as agent_cards
from rlformer.agents.cards import resolve
from rlformer.agents.learners import learner as learner_kind
from rlformer.agents.online import zoo
from rlformer.agents.online.normalization import Normalization
from rlformer.agents.threads import one_thread
from rlformer.core import files, limits, seeding
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.envs import cards as env_cards
from rlformer.envs.make import NOWHERE, nowhere
from rlformer.envs.probe import IGNORES_SEED, obeys_seed
from rlformer.evaluator.measure.evaluation import evaluate as _evaluate
from rlformer.evaluator.measure.protocol import EVALUATION_SEED
from rlformer.runs.hooks import Hooks
from rlformer.runs.inputs import Input
from rlformer.runs.trained import TrainedRun
from rlformer.runs.waiting import in_line
from rlformer.studies import experiment, logs
from rlformer.studies.executors import LOCAL, Place, opened
from rlformer.studies.executors.base import Executor, Request
from rlformer.studies.shards import Collection, absolute_normalization, absolute_policy, collect_shards
from rlformer.studies.sources import Source, beyond_the_log, is_huggingface, open_source

Statistics = str | Path | bool | None  # of observations, for a .zip: see `load`


class Progress(Protocol):
    """Hears how far long work is."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


def train(
    agent: str,
    *,
    env: str | None = None,
    dataset: Dataset | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
    start: str | Path | None = None,
    log_trajectories: bool = False,
    root: str | Path = "runs",
    threads: int = 1,
    device: str = "cpu",
    command: str | None = None,
    hooks: Hooks | None = None,
) -> TrainedRun:
    """Train one agent on an environment or on a log, and return its run directory.

    env: "none" learns from the log alone: nothing is evaluated. overrides: "key=value" strings. start: a run of a
    sequence model, or a folder with GPT-2 in the form of transformers, whose weights a sequence model goes on from;
    what they cost is inherited. Continues an unfinished
    run; leaves a finished one alone. device: of learners that may use a GPU: cpu, cuda, cuda:N or auto. command: what
    was typed, for the record. Raises InputError for what the caller can mend, Interrupted when the hooks said to stop.
    """
    limits.check(seed=seed, threads=threads)
    if env == NOWHERE and dataset is not None:
        info = dataset.info
        spec = nowhere(info.env or logs.UNKNOWN, info.spaces)
    elif env is not None:
        spec = env_cards.environment(env)
    elif dataset is not None:
        spec = logs.dataset_env(dataset)
    else:
        raise InputError("train needs an environment or a dataset")
    kind = learner_kind(agent_cards.agent(agent).learner)
    experiment.check_data(agent, kind, dataset)  # before its values, which others lack
    inputs: tuple[Input, ...] = () if dataset is None else (log_input(dataset),)
    if start is not None:
        if not kind.starts:
            raise InputError(f"--from {start}: agent '{agent}' is not a sequence model and cannot start from weights")
        from rlformer.agents.sequence.start import weights_input  # torch

        inputs = (*inputs, weights_input(Path(start), None if dataset is None else dataset.hash))
    trained = experiment.train(
        resolve(spec, agent, overrides, inputs, log_trajectories),
        seed,
        Path(root),
        dataset=dataset,
        threads=threads,
        device=device,
        command=command,
        hooks=hooks,
    )
    return TrainedRun(trained.path)


def evaluate(
    policies: Sequence[str | Path],
    *,
    env: str | None = None,
    episodes: int = 100,
    seed: int = EVALUATION_SEED,
    num_envs: int = 16,
    target_return: float | str | None = None,
    agent: str | None = None,
    sample: bool | None = None,
    trust: bool = False,
    normalization: Statistics = None,
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda text: None,
) -> tuple[EnvSpec, list[EvalResult]]:
    """Every policy on the same fixed episodes, and the environment they were played in.

    env: by default the one that the runs were trained in. target_return: what return-conditioned policies are asked
    for, instead of what each chose from its log; or the name of a rule of `data.targets`. normalization: as for `load`.
    sample: whether actions are drawn; None: as each policy is deployed, which the card of a run says.
    warn: hears of requests beyond a log, of an environment that ignores its seed, and which statistics a .zip is read
    with. Raises InputError where the policies
    belong to different environments or one of them cannot act here.
    """
    limits.check(episodes=episodes, num_envs=num_envs, seed=seed)
    texts = [str(policy) for policy in policies]
    spec = env_cards.environment(env) if env is not None else common_environment(texts, trust)
    normalized = normalization_for(normalization, texts)
    sources = [open_source(text, spec, agent, sample, trust, normalized) for text in texts]
    for source in sources:
        source.check_acts_in(spec)
    tell_of(sources, warn)
    seeds = seeding.episode_seeds(seed, "evaluate", episodes)
    if not (obeyed := obeys_seed(spec)):
        warn(IGNORES_SEED)
    results = []
    with one_thread():
        for source in sources:
            result = _evaluate(
                source.policy,
                spec,
                seeds,
                name=source.name,
                num_envs=num_envs,
                target_return=source.asked(target_return),
                sampled=source.sampled,
                progress=None if progress is None else partial(progress, note=source.name),
            )
            if (warning := beyond_the_log(source, result)) is not None:
                warn(warning)
            results.append(replace(result, seed_obeyed=obeyed))
    return spec, results


def collect(
    policy: str | Path,
    *,
    env: str | None = None,
    out: str | Path | None = None,
    episodes: int | None = None,
    steps: int | None = None,
    epsilon: float = 0.0,
    seed: int = 0,
    num_envs: int = 64,
    agent: str | None = None,
    sample: bool | None = None,
    trust: bool = False,
    normalization: Statistics = None,
    shards: int | None = None,
    jobs: int | None = None,
    on: str | Executor = LOCAL,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Dataset:
    """Whole episodes of a policy as a dataset; see `data.collect.collect`. One of `episodes` and `steps` is needed.

    normalization: as for `load`. Where another process collects the same it is waited for. tell: hears of that, and of
    the statistics that a .zip is read with. shards: so many logs that are read as one, collected by processes side by
    side: `jobs` at a time, by default as many as fit. on: where, as `--on` says it, or an executor. A script that asks
    for shards needs `if __name__ == "__main__":` around it.
    """
    if (episodes is None) == (steps is None):
        raise InputError("give either --episodes or --steps")
    limits.check(episodes=episodes, steps=steps, epsilon=epsilon, seed=seed, num_envs=num_envs)
    limits.check(shards=shards, jobs=jobs)
    place = Place.parse(on) if isinstance(on, str) else None
    if shards is None and (jobs is not None or place != Place()):
        option = "--jobs" if jobs is not None else f"--on {on}"
        raise InputError(f"{option}: needs --shards N, since parallel processes write shards")
    if shards is not None and shards > (most := episodes or steps or 0):
        raise InputError(
            f"--shards {shards}: each shard needs at least one episode or step, and only {most} are asked for"
        )
    normalized = normalization_for(normalization, [str(policy)])
    given = None if env is None else env_cards.environment(env)
    source = open_source(str(policy), given, agent, sample, trust, normalized)
    tell_of([source], tell)
    spec = env_cards.environment(env) if env is not None else source.env
    if spec is None:
        raise InputError("no environment is given: use --env ENV")
    source.check_acts_in(spec)
    source.asked(None)
    amount = f"{episodes}-episodes" if episodes is not None else f"{steps}-steps"
    ways = [f"epsilon{epsilon:g}"] * (epsilon > 0) + ["sampled" if source.sampled else "greedy"] * (
        sample is not None and source.sampled == sample
    )
    pieces = [] if shards is None else [f"{shards}-shards"]
    name = "-".join(map(str, (spec.name, *source.identity.values(), *ways, amount, f"seed{seed}", *pieces)))
    folder = Path(out) if out is not None else Path("datasets") / files.slug(name)
    whole = Collection(
        policy=absolute_policy(str(policy)),
        given=given,
        env=spec,
        folder=folder.absolute() if shards is not None else folder,
        seed=seed,
        episodes=episodes,
        steps=steps,
        epsilon=epsilon,
        num_envs=num_envs,
        agent=agent,
        sample=sample,
        trust=trust,
        normalized=absolute_normalization(normalized),
    )

    def collected() -> Dataset:
        if shards is None:
            return whole.collect(source, progress, stop)
        request = Request(whole.folder, files.writable_directory(whole.folder.parent), jobs, tell=tell)
        with ExitStack() as stack:
            executor = on if not isinstance(on, str) else stack.enter_context(opened(Place.parse(on), request))
            made = collect_shards(whole, source, shards, executor, progress, stop)
        return replace(made, path=folder)

    return in_line(collected, Hooks(stop or (lambda: False), tell=tell))


def normalization_for(given: Statistics, policies: Sequence[str]) -> Normalization:
    """What is said of the statistics of a .zip. Raises InputError where they are named, and no policy is a .zip."""
    if given is not None and not any(Path(text).suffix == ".zip" for text in policies):
        raise InputError(f"normalization: belongs to a stable-baselines3 .zip, and {', '.join(policies)} is not one")
    return Normalization.of(given)


def tell_of(sources: Sequence[Source], warn: Callable[[str], None]) -> None:
    """Say what a person should know of how policies were read."""
    for source in sources:
        for remark in source.remarks:
            warn(remark)


def common_environment(policies: Sequence[str], trust: bool) -> EnvSpec:
    """The environment that the runs among these policies were trained in."""
    runs = {text: env for text in policies if (env := _trained_in(text, trust)) is not None}
    if not runs:
        if "random" in policies:
            raise InputError("'random' needs --env")
        raise InputError("no environment is given: use --env ENV")
    first = next(iter(runs.values()))
    for text, spec in runs.items():
        if spec.definition != first.definition:
            raise InputError(f"{text}: trained on {spec.name}, the others on {first.name}; --env chooses one for all")
    return first


def _trained_in(policy: str, trust: bool) -> EnvSpec | None:
    """Where a policy was trained; None where nothing says it."""
    if Path(policy).suffix == ".zip":
        trained = zoo.trained_in(Path(policy))
        return None if trained is None else trained.env
    if policy == "random" or is_huggingface(Path(policy)):
        return None
    return open_source(policy, trust=trust).env
