"""What the arms were found to rely on and how well they can be explained: files of explain/ in, statistics out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.arms import Arm
from rlformer.evaluator.judge.load import Run

RESAMPLES = 5000
ALPHA = 0.05  # of all measures together in which families are compared
CENSORED = 256  # leaves of the largest tree: an L90 beyond is not known
UNTRAINED = ("random", "behaviour")
# The measures of an explainer, with what is better: "+" more, "-" less, "" neither.
MEASURES = {
    "agreement": "+",
    "comprehensiveness": "+",
    "sufficiency": "-",
    "effective_groups": "",
    "gini": "",
    "sensitivity": "-",
    "sanity": "-",
    "skill": "+",
    "relevance_mass": "+",
    "relevance_rank": "+",
    "chance": "",
    "between_seeds": "+",
}
CONTROLS = ("random", "uniform attention")
SHARED = "integrated gradients"  # which every policy has, and whose cost does not grow with the groups

Interval = dict[str, float | None]


def explained(environment: Mapping[str, Any], arms: Sequence[Arm]) -> dict[str, Any] | None:
    """Of one environment, arm by arm in the order of its results; None where no run was explained.

    Every number is a mean over the explained seeds, with its 95 % percentile-bootstrap interval from two seeds on.
    """
    parts = [[run for run in arm.runs if run.counts and run.explanation] for arm in arms]
    if not any(parts):
        return None
    found = [
        _arm(result, runs) if runs else {"label": result["label"], "seeds": [], "reason": _absent(result)}
        for result, runs in zip(environment["arms"], parts, strict=True)
    ]
    for arm, runs in zip(found, parts, strict=True):
        arm["family"] = next(a["family"] for a in environment["arms"] if a["label"] == arm["label"])
        if runs:
            arm["mean_return"] = float(np.mean([run.final.mean for run in runs if run.final is not None]))
    return {"arms": found, "families": families([arm for arm in found if arm["seeds"]])}


def _absent(arm: Mapping[str, Any]) -> str:
    if arm["family"] == "random":
        return "it looks at nothing"
    if arm["family"] == "behaviour":
        return "a log is no policy"
    return "not explained: rlformer explain RUN"


def _arm(result: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    each = [run.explanation for run in runs]
    effects = [e["effects"] for e in each if "effects" in e]
    found: dict[str, Any] = {
        "label": result["label"],
        "seeds": [run.record.seed for run in runs],
        "reason": None,
        "cost": {
            key: float(np.mean([sum(part["cost"][key] for part in e.values()) for e in each]))
            for key in ("seconds", "env_steps")
        },
    }
    found |= _effects(effects) if effects else {"effects": None, "reliance": None, "no_reliance": "not measured"}
    judged = [e["explainers"] for e in each if "explainers" in e]
    found["explainers"] = _explainers(judged)
    found["no_truth"] = _reasons(part["no_truth"] for part in judged) or (None if judged else "not measured")
    found["best"] = _best(found["explainers"])
    found["deletion"] = _deletion([e["deletion"] for e in each if "deletion" in e])
    trees = [e["surrogate"] for e in each if "surrogate" in e]
    found["trees"] = {reads: _trees([t[reads] for t in trees if t[reads]]) for reads in ("observation", "window")}
    found["no_window"] = _reasons(t["no_window"] for t in trees)
    found["l90"] = _fewest(found["trees"])
    found["control"] = _control([e["controllability"] for e in each if "controllability" in e])
    found["tree"] = _drawn(trees[0]) if trees else None
    found["pictures"] = each[0].get("pictures")
    return found


def _effects(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    groups = parts[0]["groups"]
    read = {g: all(p["read"][i] for p in parts) for i, g in enumerate(groups)}
    bits = [p["divergence"] for p in parts if p["divergence"] is not None]
    reliance = [p["reliance"] for p in parts if p["reliance"] is not None]
    truth = parts[0]["truth"]
    known = None
    if truth is not None:
        known = {
            "source": truth["source"],
            "relevant": [g for g in truth["groups"] if g in truth["relevant"]],
            "effects": {g: mean([p["truth"]["effects"][i] for p in parts]) for i, g in enumerate(truth["groups"])},
        }
    return {
        "effects": {g: mean([p["effects"][i] for p in parts]) for i, g in enumerate(groups)},
        "read": read,
        "unit": parts[0]["unit"],
        "divergence": {g: mean([b[i] for b in bits]) for i, g in enumerate(groups)} if bits else None,
        "no_divergence": _reasons(p["no_divergence"] for p in parts),
        "reliance": mean(reliance) if reliance else None,
        "reliances": reliance,
        "no_reliance": _reasons(p["no_reliance"] for p in parts) if not reliance else None,
        "truth": known,
        "decisions": parts[0]["decisions"],
        "log": {key: parts[0]["log"][key] for key in ("own", "episodes", "steps")},
    }


def _explainers(parts: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By explainer and measure: an interval over seeds, and the seeds' values."""
    if not parts:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name in parts[0]["explainers"]:
        each = [p["explainers"][name] for p in parts if name in p["explainers"]]
        values: dict[str, list[float | None]] = {
            key: [e[key] for e in each]
            for key in ("agreement", "comprehensiveness", "sufficiency", "effective_groups", "gini", "sanity")
        }
        values["sensitivity"] = [e["stability"]["sensitivity"] for e in each]
        for key in ("skill", "relevance_mass", "relevance_rank", "chance"):
            values[key] = [e["truth"][key] if e["truth"] else None for e in each]
        values["between_seeds"] = _between([e["shares"] for e in each])
        known = {key: [v for v in of if v is not None] for key, of in values.items()}
        found[name] = {key: {"mean": mean(of), "values": of} if of else None for key, of in known.items()}
        if found[name]["between_seeds"]:  # of pairs that share seeds: no sample to draw again from
            found[name]["between_seeds"]["mean"] |= {"low": None, "high": None}
    return found


def _between(shares: Sequence[Mapping[str, float]]) -> list[float | None]:
    """Spearman correlation of mean shares between seeds, of each seed with the others on average."""
    from scipy.stats import spearmanr

    rows = np.array([list(share.values()) for share in shares])
    rows = rows[:, rows.any(axis=0)]
    if len(rows) < 2 or rows.shape[1] < 3 or (np.ptp(rows, axis=1) == 0).any():
        return []
    found: list[float | None] = []
    for i in range(len(rows)):
        others = [float(spearmanr(rows[i], rows[j]).statistic) for j in range(len(rows)) if j != i]
        found.append(float(np.mean(others)))
    return found


def _best(explainers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """The explainer with the highest skill, or where the truth is not known the highest comprehensiveness."""
    for key in ("skill", "comprehensiveness"):
        known = {n: m[key] for n, m in explainers.items() if n not in CONTROLS and m[key] is not None}
        if known:
            name = max(known, key=lambda n: known[n]["mean"]["point"])
            return {"name": name, "by": key, "value": known[name]["mean"]}
    return None


def _deletion(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not parts:
        return None
    unit = "scores" if all(p["scores"] is not None for p in parts) else "returns"
    counts = parts[0]["counts"]
    names = [n for n in parts[0][unit] if all(n in p[unit] for p in parts)]
    curves = {n: [mean([p[unit][n][i] for p in parts]) for i in range(len(counts))] for n in names}
    return {"unit": unit, "counts": counts, "curves": curves, "episodes": parts[0]["episodes"]}


def _trees(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not parts:
        return None
    leaves = [point["leaves"] for point in parts[0]["curve"]]
    curves = {
        key: [mean([p["curve"][i][key] for p in parts]) for i in range(len(leaves))] for key in ("fidelity", "return")
    }
    scores = [[p["curve"][i]["score"] for p in parts] for i in range(len(leaves))]
    known = all(v is not None for row in scores for v in row)
    return {
        "leaves": leaves,
        **curves,
        "score": [mean(row) for row in scores] if known else None,
        "l90": [p["l90"] for p in parts],
        "undefined": [p["reason"] for p in parts],  # of each seed, why
    }


def _fewest(trees: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """Over seeds, the fewer leaves of the two kinds of tree: each seed's, its median, how many are censored.

    Seeds for which it is not defined, as where a policy is no better than random, are left out and counted apart.
    """
    kinds = [t for t in trees.values() if t is not None]
    if not kinds:
        return {"values": [], "median": None, "censored": 0, "undefined": 0, "reason": "not measured"}
    seeds = range(len(kinds[0]["l90"]))
    defined = [i for i in seeds if not all(t["undefined"][i] for t in kinds)]
    values = [min((t["l90"][i] for t in kinds if t["l90"][i] is not None), default=None) for i in defined]
    found: dict[str, Any] = {"values": values, "undefined": len(seeds) - len(defined)}
    if not values:
        return {**found, "median": None, "censored": 0, "reason": _reasons(kinds[0]["undefined"])}
    median = float(np.exp2(np.median(np.log2([2 * CENSORED if v is None else v for v in values]))))
    censored = sum(v is None for v in values)
    return {**found, "median": None if median > CENSORED else median, "censored": censored, "reason": None}


def _control(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    reason = _reasons(p["reason"] for p in parts) if parts else "not measured"
    known = [p for p in parts if p["reason"] is None]
    if not known:
        return {"reason": reason, "inside": None, "beyond": None}
    return {
        "reason": None,
        **{
            where: {
                key: mean(values) if (values := [p[where][key] for p in known if p[where][key] is not None]) else None
                for key in ("error", "slope", "tau")
            }
            for where in ("inside", "beyond")
        },
    }


def _drawn(part: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest tree that stands for the first explained seed."""
    found = part[part["tree"]]
    return {
        "reads": part["tree"],
        "tree": found["tree"],
        "names": found["names"],
        "actions": part["actions"],
        "kind": part["kind"],
        "l90": found["l90"],
    }


def mean(values: Sequence[float]) -> Interval:
    """Over seeds, with its interval from two of them on."""
    points = np.asarray(values, np.float64)
    if len(points) < 2 or np.ptp(points) == 0:
        ends = float(points.mean()) if len(points) > 1 else None
        return {"low": ends, "point": float(points.mean()), "high": ends}
    interval = statistics.bootstrap(
        lambda x: x.mean(axis=1), points, rng=np.random.default_rng(0), resamples=RESAMPLES
    ).interval()
    return {"low": interval.low, "point": interval.point, "high": interval.high}


def families(arms: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The best arm of online RL against the best sequence model, of those whose explainers were judged.

    Differences are online minus sequence, with Welch's 95 % interval over the seeds of both; a measure tells them
    apart where its p-value, Holm-adjusted over the measures, is at most .05. Explainers are compared by one that both
    have: the best of each would be the luckiest, and attention models have more to choose from. None without one of
    the two families.
    """
    by = {}
    for family in ("online", "sequence"):
        own = [arm for arm in arms if arm["family"] == family]
        if not own:
            return None
        by[family] = max(own, key=lambda arm: (arm["best"] is not None, arm["mean_return"]))
    a, b = by["online"], by["sequence"]
    rows = [_row(label, better, take(a), take(b)) for label, better, take in _COMPARED]
    seeds = min(len(a["seeds"]), len(b["seeds"]))
    return {"a": a["label"], "b": b["label"], "seeds": seeds, "rows": _told_apart(rows)}


def _of_shared(key: str) -> Callable[[Mapping[str, Any]], list[float]]:
    def take(arm: Mapping[str, Any]) -> list[float]:
        measured = arm["explainers"].get(SHARED, {}).get(key)
        return [] if measured is None else list(measured["values"])

    return take


def _leaves(arm: Mapping[str, Any]) -> list[float]:
    fewest = arm["l90"]
    if fewest["reason"]:
        return []
    return [float(np.log2(2 * CENSORED if v is None else v)) for v in fewest["values"]]


_COMPARED: tuple[tuple[str, str, Callable[[Mapping[str, Any]], list[float]]], ...] = (
    ("Reliance", "+", lambda arm: list(arm["reliances"]) if arm.get("reliances") else []),
    (f"skill of {SHARED}", "+", _of_shared("skill")),
    (f"comprehensiveness of {SHARED}", "+", _of_shared("comprehensiveness")),
    (f"sufficiency of {SHARED}", "-", _of_shared("sufficiency")),
    (f"agreement of {SHARED} with the total effects", "+", _of_shared("agreement")),
    (f"sensitivity of {SHARED}", "-", _of_shared("sensitivity")),
    ("L90 (doublings of leaves; above 256 as 512)", "-", _leaves),
)


def _row(label: str, better: str, a: Sequence[float], b: Sequence[float]) -> dict[str, Any]:
    """One measure of both families: means over seeds and their difference, with Welch's interval and p-value."""
    row: dict[str, Any] = {"label": label, "better": better, "a": mean(a) if a else None, "b": mean(b) if b else None}
    if not a or not b:
        return {**row, "difference": None, "p": None, "says": "undefined for one of them"}
    point = float(np.mean(a) - np.mean(b))
    if min(len(a), len(b)) < 2:
        ends = {"low": None, "point": point, "high": None}
        return {**row, "difference": ends, "p": None, "says": "one seed cannot tell"}
    if max(np.ptp(a), np.ptp(b)) <= 1e-9 * max(map(abs, (*a, *b))):  # no spread to test with
        return {**row, "difference": {"low": point, "point": point, "high": point}, "p": float(point == 0)}
    from scipy import stats

    with warnings.catch_warnings():  # of one sample whose values are all but equal, beside one whose are not
        warnings.simplefilter("ignore", RuntimeWarning)
        test = stats.ttest_ind(a, b, equal_var=False)
    interval = test.confidence_interval(0.95)
    ends = {"low": float(interval.low), "point": point, "high": float(interval.high)}
    return {**row, "difference": ends, "p": float(test.pvalue)}


def _told_apart(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with what each says: which arm is explained better, or that they cannot be told apart."""
    tested = [row for row in rows if row["p"] is not None]
    adjusted = statistics.holm([row["p"] for row in tested]) if tested else ()
    for row, p in zip(tested, adjusted, strict=True):
        row["p"] = float(p)
        ahead = "a" if (row["difference"]["point"] > 0) == (row["better"] == "+") else "b"
        row["says"] = ahead if p <= ALPHA else "cannot be told apart"
    return list(rows)


def _reasons(reasons: Any) -> str | None:
    """The different ones, in their order."""
    known = list(dict.fromkeys(reason for reason in reasons if reason))
    return "; ".join(known) if known else None
