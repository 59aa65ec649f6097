"""The specification of each agent of a study: its card, what the study changes of it, and where it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rlformer.agents import cards as agent_cards
from rlformer.agents import zipped
from rlformer.agents.cards import FEW_TARGETS, SMOKE, resolve
from rlformer.agents.learners import learner
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec
from rlformer.runs.budget import CutShort
from rlformer.runs.spec import RunSpec
from rlformer.studies import arms
from rlformer.studies.study import Study


def names(study: Study, env: EnvSpec, actions: ActionSpec) -> tuple[str, ...]:
    """The agents; without interaction, those that learn from the log alone."""
    interaction = study.terms.interaction
    if study.arms is None:
        return arms.usual(study.profile, env, actions, interaction)
    found = arms.expand(study.arms, env, actions)
    steps = [] if interaction else [name for name in found if arms.steps_env(name)]
    if steps:
        raise InputError(f"without interaction, these agents cannot be trained: {', '.join(steps)}")
    return found


def maker(study: Study, actions: ActionSpec) -> str:
    """Whose training is the log, or who plays for it."""
    found = study.log.agent or arms.first_online(actions)
    kind = learner(agent_cards.agent(found).learner)
    if not kind.steps_env or not kind.trains or "log" in kind.needs:
        raise InputError(f"a log comes from the training of an online agent, and '{found}' is not one")
    return found


def specs(study: Study, env: EnvSpec, agents: Sequence[str], keeps_log: str | None) -> dict[str, RunSpec]:
    """The specification of each agent, without its log. keeps_log: the agent of them whose training is one."""
    for agent, values in study.overrides.items():
        if agent not in agents:
            given = f"{agent}.{values[0]}" if values else agent
            raise InputError(f"--set here takes agent.key=value with one of {', '.join(agents)}, got '{given}'")
    return {name: _spec(study, env, name, keeps_log == name) for name in agents}


def _spec(study: Study, env: EnvSpec, name: str, keeps_log: bool) -> RunSpec:
    changes, fitted = study.overrides.get(name, ()), (study.fitted or {}).get(name, ())
    try:
        spec = resolve(env, name, changes, keeps_log=keeps_log, fitted=fitted)
    except InputError as error:
        raise InputError(f"set.{name}: {error}" if name in study.overrides else str(error)) from error
    if "weights" in learner(spec.agent.learner).needs:
        spec = replace(spec, values={**spec.values, "trust": study.trust}, inputs=(zipped.weights(spec.values),))
    few = study.profile in FEW_TARGETS
    return replace(spec, episodes=study.episodes, cut_short=_cut_short(study, spec), few_targets=few)


def _cut_short(study: Study, spec: RunSpec) -> CutShort | None:
    """How its run is marked: a smoke test marks all, and what was fitted into a time nobody cut by hand."""
    found = spec.cut_short
    if study.profile == SMOKE:
        return replace(found or CutShort("smoke"), reason="smoke", minutes=study.max_minutes)
    key = learner(spec.agent.learner).steps_key
    by_hand = any(text.partition("=")[0].strip() == key for text in study.overrides.get(spec.agent.name, ()))
    if found is None or study.fitted is None or by_hand:
        return found
    return replace(found, reason="time", minutes=study.max_minutes)


def devices(specs: Mapping[str, RunSpec], device: str, elsewhere: bool = False) -> dict[str, str]:
    """Where each agent computes: the device is of those that may use a GPU. Raises InputError where it is not here.

    elsewhere: on another machine, which hands out GPUs; it is looked for there.
    """
    if elsewhere and device not in ("cpu", "cuda"):
        raise InputError(f"--device {device}: where runs are made on other machines, cuda gives each a GPU; else cpu")
    if device != "cpu" and not elsewhere:
        from rlformer.agents import devices

        device = str(devices.device(device))
    return {name: device if learner(spec.agent.learner).gpu else "cpu" for name, spec in specs.items()}
