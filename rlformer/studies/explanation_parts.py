"""The parts of an explanation, each made and written by itself; see `explanation`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.core import files, seeding
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import SCHEMA, EnvSpec, Episode, EvalResult
from rlformer.data import targets
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.envs.make import spaces_of
from rlformer.envs.rollout import rollout
from rlformer.envs.vector import Environments
from rlformer.evaluator.measure.evaluation import evaluate, evaluate_targets
from rlformer.explain.groups import Truth
from rlformer.explain.truth import action_levels, feature_names, truth_of
from rlformer.runs.directory import RunDirectory
from rlformer.studies.sources import Source

VERSIONS = {"surrogate": 2}  # of the methods of a part, from 1: one made by another is made again
PARTS = ("effects", "explainers", "deletion", "surrogate", "controllability", "pictures")
NEEDS = {"explainers": ("effects",), "deletion": ("explainers",)}  # what a part reads of another
_EFFECT_STATES, _EFFECT_REPLACEMENTS = 256, 8
_EXPLAINED, _BASELINES = 64, 4  # states and replacements for explainers, Shapley values among them
_OWN_STEPS, _OWN_EPISODES = 3000, (10, 300)  # of the log that a policy without one makes itself
_SCORE_EPISODES, _DELETION_EPISODES, _TARGET_EPISODES = 30, 8, 20
_SOLVED, _RELIES = 0.95, 0.9  # z and Reliance from which explainers are held against the truth


@dataclass(frozen=True)
class Explained:
    """What is explained, and where the result goes."""

    source: Source
    env: EnvSpec
    folder: Path  # of the parts
    seed: int = 0
    run: RunDirectory | None = None
    log: Dataset | None = None  # None: the policy's own episodes

    @cached_property
    def target_return(self) -> float | None:
        """What it is asked for."""
        return self.source.target_return


class Maker:
    """Makes the parts of one explanation."""

    def __init__(self, what: Explained) -> None:
        self._what, self._folder = what, what.folder
        self.tree: Any = None  # the surrogate, once it is made
        self._steps = 0  # environment steps of the part that is being made
        self._settings = {
            "seed": what.seed,
            "policy": dict(what.source.identity),
            "log": None if what.log is None else what.log.hash,
            "env": what.env.definition,
        }

    def has(self, part: str) -> bool:
        """Whether the part is there, made in the same way."""
        path = self._folder / f"{part}.json"
        if not path.is_file():
            return False
        try:
            there = files.read_json(path)
        except InputError:
            return False
        return there.get("schema") == SCHEMA and there.get("settings") == self._settings_of(part)

    def read(self, part: str) -> dict[str, Any]:
        """A part that is there."""
        return files.read_json(self._folder / f"{part}.json")

    def make(self, part: str) -> None:
        """Make one part and write it."""
        start, cpu, self._steps = time.perf_counter(), time.process_time(), 0
        found = getattr(self, f"_{part}")()
        cost = {
            "seconds": round(time.perf_counter() - start, 3),
            "cpu_seconds": round(time.process_time() - cpu, 3),
            "env_steps": int(self._steps),
        }
        head = {"schema": SCHEMA, "part": part, "settings": self._settings_of(part), "cost": cost}
        files.write_json(self._folder / f"{part}.json", {**head, **found})

    def _settings_of(self, part: str) -> dict[str, Any]:
        return {"version": VERSIONS.get(part, 1), **self._settings}

    # -- what the parts share ----------------------------------------------------------------------------

    @cached_property
    def _log(self) -> Dataset:
        what = self._what
        if what.log is not None:
            return what.log
        log, steps = _own_log(what.source.policy, what.env, what.seed, what.target_return)
        self._steps += steps
        return log

    @cached_property
    def _subject(self) -> Any:
        from rlformer.explain.subject import subject_of

        return subject_of(self._what.source.policy, self._log)

    @cached_property
    def _truth(self) -> Truth | None:
        imitates = self._what.run is not None and self._what.run.spec.log is not None
        return truth_of(self._what.env, self._size, "log" if imitates else "expert")

    @property
    def _size(self) -> int:
        return int(np.prod(self._log.info.observation_shape))

    @property
    def _decisions(self) -> tuple[int, ...] | None:
        return None if self._truth is None else self._truth.decisions

    @cached_property
    def _states(self) -> Any:
        """The log as states, at decisions where they are known."""
        from rlformer.explain.states import Log

        return Log(self._log, self._subject.context_length, self._decisions)

    def _partition(self, known: bool) -> Any:
        """The groups that all families share, or those that the truth speaks of."""
        from rlformer.explain import groups

        subject, width = self._subject, self._subject.codec.width
        reads = (subject.reads_history, subject.scorer.reads_returns, self._decisions is not None)
        if not known:
            names = feature_names(self._what.env, self._size)
            return groups.shared(names, subject.context_length, width, *reads)
        assert self._truth is not None
        return groups.named(self._truth.names, subject.context_length, width, *reads)

    def _sample(self, count: int, replacements: int, purpose: str) -> Any:
        from rlformer.explain.states import sample

        rng = seeding.generator(self._what.seed, f"explain {purpose}")
        return sample(self._states, count, replacements, rng, self._decisions is not None)

    @cached_property
    def _score(self) -> dict[str, Any]:
        """What the policy itself returns."""
        what = self._what
        final = None
        if what.run is not None and what.run.spec.env.definition == what.env.definition:
            final = what.run.evaluations().get("final")
        if final is None:
            final = self._play(_SCORE_EPISODES)
        return {"return": final.mean, "score": what.env.normalize(final.mean), "episodes": len(final.returns)}

    def _play(self, episodes: int) -> EvalResult:
        what = self._what
        seeds = seeding.episode_seeds(what.seed, "explain", episodes, start=_FIRST["score"])
        result = evaluate(what.source.policy, what.env, seeds, name="policy", target_return=what.target_return)
        self._steps += result.env_steps
        return result

    # -- the parts -----------------------------------------------------------------------------------------

    def _effects(self) -> dict[str, Any]:
        from rlformer.explain.effects import divergences, reliance, total_effects

        subject, groups = self._subject, self._partition(False)
        sample = self._sample(_EFFECT_STATES, _EFFECT_REPLACEMENTS, "effects")
        effects = total_effects(subject, groups, sample).numpy()
        bits = divergences(subject, groups, sample.some(_EFFECT_STATES, 2))
        found: dict[str, Any] = {
            "groups": list(groups.names),
            "read": list(groups.read),
            "effects": effects.mean(axis=0).tolist(),
            "unit": "share of the log's action range"
            if subject.spec.kind == "box"
            else "share of changed greedy actions",
            "divergence": None if bits is None else bits.tolist(),
            "no_divergence": None if bits is not None else "its scores are no probabilities that it learned",
            "states": len(sample.states),
            "replacements": sample.replacements,
            "context_length": subject.context_length,
            "decisions": None if self._decisions is None else list(self._decisions),
            "log": {
                "episodes": len(self._log),
                "steps": self._log.num_steps,
                "own": self._what.log is None,
                "mean_return": float(self._log.returns.mean()),
            },
            "policy": self._score,
            "reliance": None,
            "truth": None,
        }
        if self._truth is None:
            return {**found, "no_reliance": "no truth is known for this task; --distractors makes one"}
        known = self._partition(True)
        of_known = total_effects(subject, known, sample).numpy().mean(axis=0)
        found["truth"] = {
            "source": self._truth.source,
            "groups": list(known.names),
            "effects": of_known.tolist(),
            "relevant": sorted(self._truth.relevant),
            "read": list(known.read),
        }
        found["reliance"] = reliance(of_known.tolist(), known.names, self._truth.relevant)
        nothing = "undefined: no group has any effect, the policy ignores what it sees"
        return {**found, "no_reliance": nothing if found["reliance"] is None else None}

    def _explainers(self) -> dict[str, Any]:
        from rlformer.explain import attribution, quality

        subject, groups, effects = self._subject, self._partition(False), self.read("effects")
        sample = self._sample(_EXPLAINED, _BASELINES, "explainers")
        totals, seed = np.array(effects["effects"]), self._what.seed
        reason = _ungated(effects)
        found = {}
        for name in attribution.explainers(subject):
            judged = quality.judge(name, subject, groups, sample, totals, seed)
            judged["truth"] = None
            if reason is None:
                assert self._truth is not None
                known = self._partition(True)
                true = [i for i, g in enumerate(known.names) if g in self._truth.relevant and known.read[i]]
                judged["truth"] = quality.skill(name, subject, known, sample, true, seed)
            found[name] = judged
        without = None if attribution.has_attention(subject) else "no transformer: there is no attention to read"
        return {
            "groups": list(groups.names),
            "read": list(groups.read),
            "explainers": found,
            "no_truth": reason,
            "no_attention": without,
            "states": len(sample.states),
        }

    def _deletion(self) -> dict[str, Any]:
        from rlformer.explain.deletion import deletion_curves
        from rlformer.explain.states import Log

        what, groups, judged = self._what, self._partition(False), self.read("explainers")["explainers"]
        read = [i for i, seen in enumerate(groups.read) if seen]
        orders = {}
        for name, of in judged.items():
            if name not in ("random", "uniform attention"):
                shares = [-of["shares"][groups.names[i]] for i in read]
                orders[name] = [read[i] for i in np.argsort(shares, kind="stable")]
        whole = Log(self._log, self._subject.context_length)  # an episode goes through every time
        seeds = seeding.episode_seeds(what.seed, "explain", _DELETION_EPISODES, start=_FIRST["deletion"])
        found = deletion_curves(
            self._subject, groups, whole, orders, what.env, seeds, what.target_return, what.seed
        )  # fmt: skip
        self._steps += found.pop("env_steps")
        score = {name: [what.env.normalize(r) for r in curve] for name, curve in found["returns"].items()}
        return {**found, "scores": score if None not in score["random"] else None}

    def _surrogate(self) -> dict[str, Any]:
        from rlformer.explain.surrogate import surrogate
        from rlformer.explain.tree import SavedTree, row_names

        what, subject = self._what, self._subject
        features, actions = feature_names(what.env, self._size), action_levels(what.env, subject.spec)
        returns = subject.scorer.reads_returns
        found: dict[str, Any] = {"observation": None, "window": None, "no_window": None}
        kinds = ["observation"] + ["window"] * (subject.reads_history or returns)
        if len(kinds) == 1:
            found["no_window"] = "it reads the current observation alone"
        kept: list[tuple[bool, int, Any]] = []
        for reads in kinds:
            steps = subject.context_length if reads == "window" else 1
            names = row_names(features, actions, steps, reads, returns)  # type: ignore[arg-type]
            like = SavedTree(
                None, what.env, subject.spec, self._size, steps, reads, returns, what.target_return,  # type: ignore[arg-type]
                tuple(names), dict(what.source.identity),
            )  # fmt: skip
            seeds = seeding.episode_seeds(what.seed, "explain", 4000, start=_FIRST[f"surrogate {reads}"])
            result, tree = surrogate(
                subject, what.source.policy, like, what.env, seeds, self._decisions, what.env.normalize, what.seed
            )
            self._steps += result.pop("env_steps")
            found[reads] = {**result, "tree": tree.to_dict(), "names": names}
            kept.append((result["l90"] is None, tree.leaves, replace(like, tree=tree)))
        self.tree = min(kept, key=lambda item: item[:2])[2]
        return {**found, "actions": actions, "kind": subject.spec.kind, "tree": self.tree.reads}

    def _controllability(self) -> dict[str, Any]:
        from rlformer.explain.controllability import controllability

        what = self._what
        if what.target_return is None:
            return {"inside": None, "beyond": None, "reason": "it is not told what return to reach"}
        results = [] if what.run is None else [r for n, r in what.run.evaluations().items() if n.startswith("target-")]
        if not results or (what.run is not None and what.run.spec.env.definition != what.env.definition):
            asked = targets.grid(self._log.returns, what.target_return)
            seeds = seeding.episode_seeds(what.seed, "explain", _TARGET_EPISODES, start=_FIRST["targets"])
            results = evaluate_targets(what.source.policy, what.env, seeds, asked, name="policy")
            self._steps += sum(r.env_steps for r in results)
        scales = {} if what.run is None else what.run.record.scales
        low = scales.get("log_min", float(self._log.returns.min()))
        high = scales.get("log_max", float(self._log.returns.max()))
        pairs = sorted((r.target_return, r.mean) for r in results if r.target_return is not None)
        found = controllability([a for a, _ in pairs], [b for _, b in pairs], low, high)
        return {**found, "reason": None, "log_min": low, "log_max": high, "pairs": [list(pair) for pair in pairs]}

    def _pictures(self) -> dict[str, Any]:
        from rlformer.explain import pictures
        from rlformer.explain.memory import Deciding, Memory, Watched
        from rlformer.explain.states import Log

        what, subject = self._what, self._subject
        seeds = seeding.episode_seeds(what.seed, "explain", 1, start=_FIRST["pictures"])
        memory = Memory(subject.spec, subject.context_length, self._size, what.target_return)
        watched = Watched(Deciding(memory, lambda states: np.zeros(0)), what.source.policy, None)
        episodes = _episodes(watched, what.env, seeds, what.target_return)
        self._steps += len(episodes[0])
        states, actions = watched.recorded(np.array([len(episodes[0])]))
        whole = Log(self._log, subject.context_length)
        shots, reason = pictures.frames(what.env, int(seeds[0]), episodes[0].actions)
        return {
            "episode": {
                "seed": int(seeds[0]),
                "length": len(episodes[0]),
                "return": episodes[0].episode_return,
                "target_return": what.target_return,
            },
            "actions": action_levels(what.env, subject.spec),
            "kind": subject.spec.kind,
            "through_time": pictures.through_time(subject, self._partition(False), whole, states, actions, what.seed),
            "attention": pictures.attention_over_context(subject, states, actions, self._decisions),
            "frames": shots,
            "no_frames": reason,
        }


# Where the episode seeds of each purpose begin in the stream "explain", so that they never meet.
_FIRST = {
    "own log": 0,
    "score": 1000,
    "deletion": 2000,
    "targets": 3000,
    "pictures": 4000,
    "surrogate observation": 10_000,
    "surrogate window": 20_000,
}


def _ungated(effects: Mapping[str, Any]) -> str | None:
    """Why explainers are not held against the truth, if so: it takes a policy that solves its task by it."""
    if effects["truth"] is None:
        return "no truth is known for this task"
    score, reliance = effects["policy"]["score"], effects["reliance"]
    if score is None:
        return "the environment's card has no scores"
    if score < _SOLVED:
        return f"the policy does not solve the task (z = {score:.2f}, below {_SOLVED:g})"
    if reliance is None or reliance < _RELIES:
        known = "undefined" if reliance is None else f"{reliance:.2f}, below {_RELIES:g}"
        return f"the policy does not rely on what matters (Reliance {known})"
    return None


def _own_log(policy: Policy, env: EnvSpec, seed: int, target_return: float | None) -> tuple[Dataset, int]:
    """Episodes of the policy itself, and the steps they took."""
    fewest, most = _OWN_EPISODES
    info = DatasetInfo(env.name, spaces_of(env), {"source": "explain"}, env_definition=env.definition)
    seeds = seeding.episode_seeds(seed, "explain", most, start=_FIRST["own log"])
    episodes = _episodes(policy, env, seeds[:fewest], target_return)
    steps = sum(map(len, episodes))
    further = min(most - fewest, int(max(0, _OWN_STEPS - steps) * fewest / steps))
    if further:
        episodes += _episodes(policy, env, seeds[fewest : fewest + further], target_return)
    return from_episodes(info, episodes), sum(map(len, episodes))


def _episodes(policy: Policy, env: EnvSpec, seeds: Any, target_return: float | None) -> list[Episode]:
    """One for each seed, in their order."""
    made = Environments(env, min(64, len(seeds)))
    asked = None if target_return is None else np.full(len(seeds), target_return)
    try:
        return [episode for _, episode in sorted(rollout(made, policy, seeds, asked), key=lambda item: item[0])]
    finally:
        made.close()
