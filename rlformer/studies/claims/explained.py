"""Cells of explanations: one number that explains a trained policy, and where an explainer looks in its past."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlformer.core.errors import InputError
from rlformer.explain.looking import RELIES, looking, observation
from rlformer.explain.material import Material
from rlformer.explain.parts import Attributions, Effects, Surrogate
from rlformer.explain.parts.attributions import Scored
from rlformer.explain.viper import LEAVES
from rlformer.runs.hooks import Hooks
from rlformer.runs.spec import RunSpec
from rlformer.studies import explain_runs
from rlformer.studies.claims import pace
from rlformer.studies.claims.base import Cell, Numbers
from rlformer.studies.claims.cells import NEVER, Online, Trained

_SOLVED = 0.95  # normalised score from which explainers are compared with the truth


@dataclass(frozen=True)
class Explained:
    """One number that explanations find of a trained policy.

    agreement/EXPLAINER: rank correlation with the effects of replacing inputs, over groups of inputs. agreement
    skill/EXPLAINER: the share of attribution on inputs that matter, beyond chance. leaves: of the smallest tree that
    stands for it. reliance: see `explain.parts.effects`.
    """

    of: Trained | Online
    number: str
    alone = False
    foreseen = pace.EXPLANATION

    @property
    def name(self) -> str:
        """See `Cell`."""
        return f"{self.number} of {self.of.name}"

    @property
    def needs(self) -> tuple[Cell, ...]:
        """See `Cell`."""
        return (self.of,)

    @property
    def specs(self) -> tuple[RunSpec, ...]:
        """See `Cell`."""
        return self.of.specs

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        """value: see the class. Raises InputError where the explanation has none."""
        run = self.of.train(seed, root, hooks)
        opened = explain_runs.open_run(run.path)
        made = explain_runs.explain(opened, only=["effects", "explainers", "surrogate"], stop=hooks.stop)
        surrogate = made.need(Surrogate)
        found = _scores(made.need(Attributions).by_group)
        reliance = made.need(Effects).own.reliance
        if reliance is not None:
            found["reliance"] = reliance
        tree = surrogate.chosen
        if tree.reason is None:
            found["leaves"] = float(tree.l90 or NEVER * max(LEAVES))
        if self.number not in found:
            raise InputError(f"{run.path}: explaining it gives no '{self.number}'; it gives: {', '.join(found)}")
        return {"value": found[self.number]}


@dataclass(frozen=True)
class LooksAt:
    """How an explainer spreads its weight over a policy's past, where it is known which of it can change the action."""

    of: Trained
    explainer: str
    matter: tuple[str, ...]  # the groups of `explain.looking` that can, by the rules of the world
    alone = False
    foreseen = pace.EXPLANATION

    @property
    def name(self) -> str:
        """See `Cell`."""
        return f"where {self.explainer} looks in {self.of.name}"

    @property
    def needs(self) -> tuple[Cell, ...]:
        """See `Cell`."""
        return (self.of,)

    @property
    def specs(self) -> tuple[RunSpec, ...]:
        """See `Cell`."""
        return self.of.specs

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        """mass: the share of its weight on what matters. share/K, effect/K: of all weight, and of all effect, on the
        observation K steps ago.

        Raises InputError for a policy that does not solve its task, or does not rely on what matters: where it looks
        in vain is no fault of an explainer.
        """
        run, log = self.of.train(seed, root, hooks), self.of.log(seed, root, hooks)
        material = Material(explain_runs.open_run(run.path, dataset=log).case)
        score = material.score.score
        if score is None or score < _SOLVED:
            raise InputError(f"{run.path}: does not solve its task, so that nothing is known of what it looks at")
        found = looking(material, (self.explainer,))
        reliance = found.reliance(self.matter)
        if reliance < RELIES:
            raise InputError(f"{run.path}: only {reliance:.2f} of what it relies on is what matters")
        numbers = {"mass": found.mass(self.explainer, self.matter), "reliance": reliance}
        for ago in range(material.subject.context_length):
            name = (observation(-ago),)
            numbers |= {f"share/{ago}": found.mass(self.explainer, name), f"effect/{ago}": found.reliance(name)}
        return numbers


def _scores(scored: Scored | None) -> dict[str, float]:
    """Of each explainer: rank correlation with the effects, and its skill where the truth is known."""
    found = dict[str, float]()
    if scored is None:
        return found
    for explainer, judged in scored.explainers.items():
        if judged.agreement is not None:
            found[f"agreement/{explainer}"] = judged.agreement
        if judged.truth is not None and judged.truth.skill is not None:
            found[f"agreement skill/{explainer}"] = judged.truth.skill
    return found
