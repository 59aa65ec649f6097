"""What a person names where a policy is wanted: a run, a saved tree, a .zip, a Hugging Face folder, or `random`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym

from rlformer.agents import cards as agent_cards
from rlformer.agents.deployed import DeployedPolicy, Traits
from rlformer.agents.loading import load_run
from rlformer.agents.online import zoo
from rlformer.agents.online.normalization import Normalization
from rlformer.agents.online.zips import read_zip
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Spaces
from rlformer.envs import cards as env_cards
from rlformer.envs import consent
from rlformer.envs.make import spaces_of
from rlformer.envs.native import NativeSpaces, native_spaces
from rlformer.envs.rollout import RandomPolicy
from rlformer.runs.mistaken import kind_of


@dataclass(frozen=True)
class Source:
    """A policy, and what is known of it."""

    name: str  # as it was typed
    policy: Policy
    identity: Mapping[str, Any]  # what tells it from every other policy, wherever it lies
    env: EnvSpec | None = None  # that it was trained in
    sampled: bool = False  # whether it draws its actions
    target_return: float | None = None  # what it asks for if nothing is said
    listens: bool = False  # whether it does what return it is asked for
    reads_returns: bool = False  # whether it counts down a return all the same
    log_max: float | None = None  # the best return of its log
    rules: Mapping[str, float] = field(default_factory=dict)  # what each rule would ask for, from its log
    env_steps_behind: int | None = None  # all that were taken until it existed; None: unknown
    cpu_seconds_behind: float | None = None  # in which it learned, and those whose log it read; None: unknown
    remarks: tuple[str, ...] = ()  # what a person should know of how it was read
    native: Callable[[], NativeSpaces] | None = None  # what it was trained to see and do; None: an environment says it

    def asked(self, target_return: float | str | None) -> float | None:
        """What it is asked for, where a rule may stand for a number: nothing where it does not listen.

        Raises InputError where nothing says it.
        """
        if not self.listens:
            return None
        if isinstance(target_return, str):
            if target_return not in self.rules:
                known = f"it knows {', '.join(self.rules)}" if self.rules else "it has no rule: use --target-return R"
                raise InputError(f"{self.name}: does not record the '{target_return}' of its log; {known}")
            return self.rules[target_return]
        asked = self.target_return if target_return is None else target_return
        if asked is None:
            raise InputError(
                f"{self.name}: does not record a target return: use --target-return R, or put "
                '"scales": {"target_return": R} into its rlformer.json'
            )
        return asked

    def deployed(self, env: EnvSpec | None = None) -> DeployedPolicy:
        """The policy with all that it takes to act by itself. env: where, instead of where it was trained.

        Raises InputError where neither what was stored nor an environment says what it sees and does.
        """
        where = env or self.env
        if env is None and self.native is not None:
            native = self.native()
        elif where is not None:
            native = native_spaces(where)
        else:
            raise InputError(f"{self.name}: does not say what observations and actions are; env names an environment")
        reads_returns = self.listens or self.reads_returns
        remembers = bool(getattr(self.policy, "remembers", True))
        traits = Traits(reads_returns, self.listens, self.target_return, self.rules, self.sampled, remembers)
        return DeployedPolicy(self.policy, native, self.name, traits)

    def check_acts_in(self, env: EnvSpec) -> None:
        """Raise InputError, with both spaces, unless the policy's are those of `env`."""
        if self.env is None or self.env.definition == env.definition:
            return
        spaces, own = (spaces_of(spec) for spec in (env, self.env))
        if spaces != own:
            raise InputError(f"{self.name}: was trained for {own.describe()}; {env.name} has {spaces.describe()}")


def open_source(
    text: str,
    env: EnvSpec | None = None,
    agent: str | None = None,
    sample: bool | None = None,
    trust: bool = False,
    normalized: Normalization = Normalization(),  # noqa: B008 - frozen
    step: int | None = None,
) -> Source:
    """The policy that a person names.

    env: where it will act; `random` needs it. agent: the class of a .zip that does not say it. sample: whether it draws
    its actions; None: as it is deployed, which the card of a run says; without a card greedily. trust: whether a .zip,
    or another file whose reading unpickles, may be read, and the module imported that a run or a tree names.
    normalized: which statistics of observations a .zip is read with. step: of the policy of a run that it kept while it
    was trained, see `agents.loading.load_run`. Raises InputError where the text names no policy.
    """
    if step is not None and kind_of(Path(text)) not in ("run", "runs"):
        raise InputError(f"step {step}: of a policy that a run kept, and {text} is no run directory")
    if text == "random":
        if env is None:
            raise InputError("'random' needs --env")
        uniform = RandomPolicy(spaces_of(env).actions)
        return Source(text, uniform, {"agent": "random"}, env, sampled=True, env_steps_behind=0, cpu_seconds_behind=0.0)
    path = Path(text)
    if path.suffix == ".zip":
        read = read_zip(path, agent, normalized, trust, env, bool(sample))
        whole = [path] if read.statistics is None else [path, read.statistics]
        digest = hashlib.sha256(b"".join(part.read_bytes() for part in whole)).hexdigest()[:10]
        native = partial(NativeSpaces.of, *read.spaces)
        named = {"agent": path.stem, "config": digest}
        trained = _trained_in(path, env)
        remarks = (*read.remarks, *([trained.remark] if trained is not None and trained.remark is not None else []))
        made_for = None if trained is None else trained.env
        return Source(text, read.policy, named, made_for, bool(sample), remarks=remarks, native=native)
    if is_huggingface(path):
        return _huggingface(text, path, env, bool(sample), trust)
    if (path / "tree.json").is_file():
        from rlformer.explain.tree import SavedTree

        saved = SavedTree.load(path)
        identity = {**saved.of, "tree": saved.tree.leaves, "reads": saved.reads}
        made_for = consent.given(saved.env, env, trust)
        counts, asked = saved.reading.reads_returns, saved.target_return
        return Source(text, saved.policy(), identity, made_for, target_return=asked, reads_returns=counts)
    if not path.exists() and (meant := _no_policy(text)) is not None:
        raise InputError(meant)
    run = load_run(path, env, trust, step)
    spec, record, cost = run.spec, run.record, run.record.cost
    behind, cpu = cost.upstream_env_steps, record.cpu_seconds_behind
    own = cost.env_steps if step is None else min(step, cost.env_steps)
    identity = {"agent": spec.agent.name, "spec": spec.hash, "seed": record.seed}
    return Source(
        text,
        run.policy(sample),
        identity if step is None else {**identity, "step": step},
        spec.env,
        sampled=run.samples if sample is None else sample or not run.kind.learns,
        target_return=record.scales.get("target_return"),
        listens=record.scales.get("target_return") is not None,
        log_max=record.scales.get("log_max"),
        rules=record.scales.get("rules", {}),
        env_steps_behind=None if behind is None else behind + own + cost.selection_env_steps,
        cpu_seconds_behind=cpu if cpu is None or step is None else cpu * own / max(1, cost.env_steps),
        native=lambda: run.native,
    )


def _trained_in(path: Path, env: EnvSpec | None) -> zoo.TrainedIn | None:
    """Where a .zip was trained, unless it shall act elsewhere."""
    if env is None:
        return zoo.trained_in(path)
    try:
        found = zoo.trained_in(path)
    except InputError:  # the person says where
        return None
    return found if found is not None and found.env.definition == env.definition else None


def _no_policy(text: str) -> str | None:
    """What a person meant who names an environment or an agent where a policy is wanted; None: neither."""
    if text in env_cards.environments() or text in gym.registry:
        return f"{text}: an environment, and no policy: rlformer evaluate random --env {text} plays there"
    if text in agent_cards.agents():
        return f"{text}: an agent's name, and no policy: rlformer train-agent or train-transformer makes a run of it"
    return None


def is_huggingface(path: Path) -> bool:
    """Whether the folder holds a Decision Transformer in Hugging Face's form."""
    config = path / "config.json"
    try:
        return config.is_file() and files.read_json(config).get("model_type") == "decision_transformer"
    except InputError:
        return False


def _huggingface(text: str, path: Path, env: EnvSpec | None, sample: bool, trust: bool) -> Source:
    from rlformer.agents.sequence.huggingface import load_checkpoint

    learner = load_checkpoint(path, env, trust)
    assert learner.model is not None
    architecture = learner.model.architecture
    return Source(
        text,
        learner.policy(sample),
        {"agent": path.resolve().name, "config": learner.digest},
        None,
        sampled=sample,
        target_return=learner.scales.get("target_return"),
        listens=True,
        log_max=learner.scales.get("log_max"),
        rules=learner.scales.get("rules", {}),
        native=lambda: NativeSpaces.plain(Spaces(architecture.observation, architecture.actions)),
    )


def beyond_the_log(source: Source, result: EvalResult) -> str | None:
    """A warning where the policy was asked for more than its log ever reached."""
    asked, best = result.target_return, source.log_max
    if asked is None or best is None or asked <= best:
        return None
    return f"{source.name}: {asked:g} was asked for and the log's best is {best:g}: extrapolation"
