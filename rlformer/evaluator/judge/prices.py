"""What a verdict hangs on: prices, thresholds, and the scale on which a difference of return is small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rlformer.core.errors import InputError

ONLINE, SEQUENCE, OFFLINE = "online", "sequence", "offline"  # families that a verdict chooses between


@dataclass(frozen=True)
class Terms:
    """The reader's prices, in one currency, and what counts as success.

    share is lambda, the part of the steps behind a log that this task has to pay: 0 if the log existed, 1 if it was
    made for it, 1/k if k tasks share it. Without a price of its own a logged step costs that share of an environment
    step. What is None depends on where the log comes from, see `settled`.
    """

    env_step: float = 1.0
    logged_step: float | None = None
    cpu_second: float = 0.0
    share: float | None = None
    threshold: float = 0.9  # of the normalised score
    margin: float = 0.05  # of it: a smaller difference does not matter
    interaction: bool = True  # whether a policy may be learned by stepping the environment

    def __post_init__(self) -> None:
        for name in ("env_step", "logged_step", "cpu_second"):
            price = getattr(self, name)
            if price is not None and not 0 <= price < float("inf"):
                raise InputError(f"{name}: a price is 0 or more, got {price:g}")
        if self.share is not None and not 0 <= self.share <= 1:
            raise InputError(f"lambda {self.share:g}: a share from 0 to 1")
        if not (0 < self.threshold < float("inf") and self.margin > 0):
            raise InputError(f"threshold {self.threshold:g} and margin {self.margin:g}: both lie above 0")

    def settled(self, made_here: bool) -> Terms:
        """Without gaps. A log that was given costs nothing; one made here was paid step by step, all that led to it."""
        share = float(made_here) if self.share is None else self.share
        logged = self.env_step * share if self.logged_step is None else self.logged_step
        return replace(self, share=share, logged_step=logged)

    def cost(self, run: Mapping[str, Any]) -> float:
        """What a run costs: c_env E + c_log N + lambda c_env (E_behaviour - N) + c_cpu CPU seconds.

        Where nobody knows how many steps made its log it is at least this much; see `known`.
        """
        spent, assured = run["cost"], self.settled(False)
        behind = max(spent["upstream_env_steps"] or 0, spent["logged_steps"]) - spent["logged_steps"]
        steps = spent["env_steps"] + spent["selection_env_steps"] + (assured.share or 0.0) * behind
        return float(
            assured.env_step * steps
            + (assured.logged_step or 0.0) * spent["logged_steps"]
            + assured.cpu_second * run["times"].get("cpu", 0.0)
        )

    def known(self, run: Mapping[str, Any]) -> bool:
        """Whether `cost` tells all: what led to a log of unknown origin matters as soon as it is paid for."""
        return self.share == 0 or run["cost"]["upstream_env_steps"] is not None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)


@dataclass(frozen=True)
class Scale:
    """z = (return - random) / (reference - random)."""

    random: float
    reference: float
    source: str

    def z(self, value: float) -> float:
        """The normalised score of a return."""
        return (value - self.random) / (self.reference - self.random)

    def return_at(self, z: float) -> float:
        """The return of a normalised score."""
        return self.random + z * (self.reference - self.random)


def scale_of(environment: Mapping[str, Any]) -> Scale | None:
    """The card's scale. Without one random play is 0 and the best arm is 1, as measured here; None without these."""
    card = environment["card"]
    scores = card.get("random_score"), card.get("reference_score")
    if None not in scores and scores[0] != scores[1]:
        return Scale(card["random_score"], card["reference_score"], "the card's random and reference scores")
    arms = [arm for arm in environment["arms"] if arm["mean_return"] is not None]
    random = [arm["mean_return"]["point"] for arm in arms if arm["family"] == "random"]
    others = [arm["mean_return"]["point"] for arm in arms if arm["family"] not in ("random", "behaviour")]
    if not random or not others or max(others) <= random[0]:
        return None
    return Scale(random[0], max(others), "random play and the best arm as measured here, since no card gives scores")


def counted(arm: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The runs of an arm that enter its statistics."""
    return [run for run in arm["runs"] if run["counts"]]


def log_of(environment: Mapping[str, Any], arm: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The logs that an arm's runs learned from."""
    read = {run["data_hash"] for run in counted(arm)}
    return [log for log in environment["logs"] if log["hash"] in read]


def maker_of(environment: Mapping[str, Any], arm: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The online arm of this comparison that an offline arm's logs come from; None where they come from elsewhere."""
    made = {log.get("maker_hash") for log in log_of(environment, arm)}
    for other in environment["arms"]:
        if other["family"] == ONLINE and made & {run["spec_hash"] for run in other["runs"]}:
            found: Mapping[str, Any] = other
            return found
    return None


def made_here(environment: Mapping[str, Any], arm: Mapping[str, Any]) -> bool:
    """Whether an offline arm's logs were made for this comparison."""
    told = [log.get("made_here") for log in log_of(environment, arm)]
    if None in told or not told:  # of runs that did not say
        return maker_of(environment, arm) is not None
    return all(told)
