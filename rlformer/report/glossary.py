"""Words that a reader may not know, each with one plain explanation; sentences of the page lead to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Term:
    """A word: `anchor` ends the id of its entry, `pattern` finds it in sentences."""

    anchor: str
    name: str
    meaning: str
    pattern: str


TERMS: tuple[Term, ...] = (
    Term(
        "score", "Score, z", "The normalised score: 0 is the return of random play, 1 is the reference return on the "
        "environment’s card. Without a card, 1 is the return that is good enough, or the best method here.",
        r"normalised scores?|score z|\bz\b|\bscores? of\b",
    ),
    Term("arm", "Arm", "One method with its settings, run on several seeds.", r"\barms?\b"),
    Term(
        "seed", "Seed", "The number that determines all random choices of a run. Several seeds show how much a result "
        "depends on luck.", r"\bseeds?\b",
    ),
    Term(
        "sure", "Claim, probable, direction", "How certain a statement is. A claim accepts an error of 2.5 % and "
        "takes 20 seeds; “probable” accepts 10 % and takes 10 seeds; fewer seeds can only show a direction.",
        r"\bclaim\b|\bprobable\b|\bdirection\b",
    ),
    Term(
        "works", "A run that works", "It finished, and its score is not far below the score that is good enough.",
        r"\bruns? that works?\b|\bworks? in\b",
    ),
    Term(
        "threshold", "Good enough, threshold, tau", "The score from which a policy counts as a success.",
        r"\bgood enough\b|\bthreshold\b|\btau\b|τ",
    ),
    Term(
        "interval", "95 % interval", "The range of values that are plausible given the runs. Such intervals contain "
        "the true value in about 95 of 100 cases, and in fewer cases when there are few seeds.", r"95 % intervals?",
    ),
    Term(
        "bootstrap", "Bootstrap", "The runs are resampled with replacement thousands of times. The spread of the "
        "results gives the interval.", r"\bbootstraps?\b",
    ),
    Term(
        "log", "Log, logged step", "Recorded episodes that a method learns from, and one step of them.",
        r"\blogged (?:steps?|transitions?)\b",
    ),
    Term(
        "lambda", "Lambda, λ", "The share of the cost of making the log that this task pays: 0 if the log existed "
        "already, 1 if it was made for this task alone.", r"\blambda\b(?!\*)|λ",
    ),
    Term(
        "break-even", "lambda*, break-even", "The lambda at which a log costs as much as interaction. Below it, the "
        "log is cheaper.", r"\blambda\*|\bbreak-even\b",
    ),
    Term(
        "success", "Cost of a success", "The total cost of all runs, including failed ones, divided by the number of "
        "runs that are good enough.",
        r"\bcost of a success\b|\bfailed runs (?:and the steps behind the log )?included\b",
    ),
    Term(
        "target", "Target return, return-conditioned", "A return-conditioned policy is given the return that it should "
        "reach, its target return, and acts accordingly. The return-to-go is the part of it that remains.",
        r"\btarget returns?\b|\breturn-conditioned\b|\breturns?-to-go\b",
    ),
    Term(
        "greedy", "Greedy, sampled", "A greedy policy always takes the action that it prefers most. A sampled one "
        "draws its action at random from its own probabilities.", r"\bgreedy\b|\bgreedily\b",
    ),
    Term(
        "upstream", "Upstream steps", "All environment steps that led to a log, including the training of the policy "
        "that made it.",
        r"\bupstream\b",
    ),
    Term(
        "rmst", "RMST", "Restricted mean survival time: the mean number of steps until a run is good enough. A run "
        "that never is counts with the whole budget.", r"\bRMST\b",
    ),
    Term(
        "ert", "ERT", "Expected running time: the steps of all runs, divided by the number of runs that were good "
        "enough.", r"\bERT\b",
    ),
    Term(
        "kaplan-meier", "Kaplan-Meier", "An estimate of the share of runs that are good enough after so many steps. "
        "It allows for runs that ended before they were good enough.", r"\bKaplan-Meier\b",
    ),
    Term("wilson", "Wilson interval", "An interval for a share of successes.", r"\bWilson\b"),
    Term(
        "holm", "Holm", "When many things are tested, some look different by luck. Holm’s correction allows for that.",
        r"\bHolm\b",
    ),
    Term("welch", "Welch", "A test of the difference of two means, for groups that differ in spread.", r"\bWelch\b"),
    Term(
        "iqm", "Interquartile mean, IQM", "The mean of the middle half of all runs, without the best and the worst "
        "quarter.", r"\b[Ii]nterquartile mean\b|\bIQM\b",
    ),
    Term(
        "improvement", "Probability of improvement", "The probability that a run of one method scores higher than a "
        "run of another.", r"\b[Pp]robabilit(?:y|ies) of improvement\b",
    ),
    Term("cvar", "CVaR", "The mean of the worst episodes, such as the worst tenth.", r"\bCVaR\b"),
    Term(
        "flops", "FLOPs, operations", "The number of multiplications and additions in a computation. It is the same on "
        "every machine.", r"\bFLOPs\b|\bfloating-point operations\b",
    ),
    Term(
        "explainer", "Explainer, integrated gradients, feature ablation, Shapley values", "A method that estimates how "
        "much each input contributed to an action. Integrated gradients add up how the action reacts while "
        "the inputs are faded in; feature ablation replaces one input after another; Shapley values replace "
        "them in many random orders.",
        r"\b[Ii]ntegrated gradients\b|\b[Ff]eature ablation\b|\bShapley values\b|\bexplainers?\b",
    ),
    Term(
        "reliance", "Reliance", "The share of the total effect on a policy’s actions that comes from the inputs that "
        "matter. It is defined only where these inputs are known.", r"\bReliance\b",
    ),
    Term(
        "skill", "Skill of an explainer", "How well an explainer finds the inputs that matter: 0 is chance, 1 is the "
        "truth.", r"\b[Ss]kill\b",
    ),
    Term(
        "comprehensiveness", "Comprehensiveness, sufficiency", "How much the action changes when the inputs that an "
        "explainer ranks first are replaced (comprehensiveness), or all others (sufficiency), minus the same for a "
        "random order.",
        r"\b[Cc]omprehensiveness\b|\b[Ss]ufficiency\b",
    ),
    Term(
        "tree", "Tree, leaves, L90", "A decision tree that imitates the policy: a list of if-then rules, one for each "
        "leaf. L90 is the fewest leaves that keep 90 % of the score.", r"\bL90\b|\bdecision trees?\b|\bleaves\b",
    ),
)  # fmt: skip


def linked(text: str) -> Markup:
    """A sentence as markup, in which each word of the glossary leads to its entry where it first stands.

    >>> str(linked("lambda < 1"))[:42]
    '<a class="term" href="#term-lambda" title='
    """
    from markupsafe import Markup, escape

    found: dict[int, tuple[int, Term]] = {}
    for term in TERMS:
        match = re.search(term.pattern, text)
        if match is not None and not any(
            start < match.end() and match.start() < end for start, (end, _) in found.items()
        ):
            found[match.start()] = match.end(), term
    parts, at = [], 0
    for start, (end, term) in sorted(found.items()):
        link = Markup('<a class="term" href="#term-{}" title="{}">{}</a>')
        parts += [escape(text[at:start]), link.format(term.anchor, term.meaning, text[start:end])]
        at = end
    return Markup("").join([*parts, escape(text[at:])])
