"""Decision trees that stand for a policy: how small they can be and still play nearly as well. The one door to
scikit-learn.

After VIPER (Bastani et al. 2018, arXiv:1805.08328): a tree plays, the policy says what it would have done, and the
next tree learns from all that was said so far, as in DAgger (Ross et al. 2011); states are not weighed by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from rlformer.core.spaces import ActionSpec, Array
from rlformer.explain.material import Material
from rlformer.explain.memory import Asked, Deciding, Watched, joined
from rlformer.explain.parts.effects import PolicyScore
from rlformer.explain.parts.surrogate import TreeCurve, TreePoint
from rlformer.explain.states import States
from rlformer.explain.subject import Subject
from rlformer.explain.tree import Reading, Tree, tree_policy

LEAVES = (2, 4, 8, 16, 32, 64, 128, 256)
MOST = LEAVES[-1]
_ROUNDS = 3  # in which a tree plays
_STEPS = 3000  # that each round records, about; episodes are whole
_FEWEST, _MOST_EPISODES, _JUDGED = 10, 200, 50  # episodes: of a round, and of each tree's return


def fit(rows: Array, answers: Array, spec: ActionSpec, leaves: int, seed: int) -> Tree:
    """CART (Breiman et al. 1984) with so many leaves at most, grown best first: rows (B, F), answers (B, *act)."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    targets = answers.reshape(len(answers), -1)
    kind = DecisionTreeRegressor if spec.kind == "box" else DecisionTreeClassifier
    fitted = kind(max_leaf_nodes=leaves, random_state=seed).fit(rows, targets)
    inner = fitted.tree_
    values = inner.value  # (N, A, classes or 1)
    if spec.kind == "box":
        chosen = values[:, :, 0]
    else:
        classes = [fitted.classes_] if targets.shape[1] == 1 else fitted.classes_
        chosen = np.stack([c[values[:, i, : len(c)].argmax(axis=1)] for i, c in enumerate(classes)], axis=1)
    return Tree(
        inner.feature.astype(np.int64),
        inner.threshold.astype(np.float64),
        inner.children_left.astype(np.int64),
        inner.children_right.astype(np.int64),
        np.asarray(chosen, np.float64),
        inner.n_node_samples / inner.n_node_samples[0],
    )


def imitate(material: Material, reading: Reading, seeds: Array) -> TreeCurve:
    """The curve of fidelity and of return against leaves, L90, and the tree with so many leaves.

    reading: what the trees read. seeds: of episodes, as many as are needed. L90 is the fewest leaves whose score is .9
    of the policy's on the same episodes; censored where 256 are too few.
    """
    subject, case, supply = material.subject, material.case, iter(seeds.tolist())

    def take(count: int) -> Array:
        return np.array(list(islice(supply, count)))

    lengths = material.play(case.policy, take(_FEWEST), num_envs=_FEWEST).lengths
    episodes = int(np.clip(_STEPS // lengths.mean(), _FEWEST, _MOST_EPISODES))
    said = [_record(material, None, reading, take(episodes))]
    held_out, right = _record(material, None, reading, take(episodes))
    for _ in range(_ROUNDS):
        tree = fit(*_data(said, reading), subject.spec, MOST, case.seed)
        said.append(_record(material, tree_policy([tree], reading), reading, take(episodes)))
    rows, answers = _data(said, reading)
    trees = [fit(rows, answers, subject.spec, leaves, case.seed) for leaves in LEAVES]
    judged_on = take(_JUDGED)
    together = tree_policy(trees, reading, len(judged_on))
    played = material.play(together, np.tile(judged_on, len(trees)), num_envs=len(trees) * len(judged_on))
    own = material.play(case.policy, judged_on, num_envs=len(judged_on)).mean
    fidelities = [_fidelity(subject, tree(reading.rows(held_out)), right) for tree in trees]
    returns = played.returns.reshape(len(trees), -1).mean(axis=1).tolist()
    curve = tuple(
        TreePoint(leaves, tree.leaves, fidelity, value, case.env.normalize(value))
        for leaves, tree, fidelity, value in zip(LEAVES, trees, fidelities, returns, strict=True)
    )
    best = case.env.normalize(own)
    fewest, reason = _fewest(curve, best)
    return TreeCurve(
        reads=reading.reads,
        curve=curve,
        policy=PolicyScore(own, best, len(judged_on)),
        l90=fewest,
        censored=fewest is None and reason is None,
        reason=reason,
        samples=len(rows),
        episodes=len(judged_on),
        tree=trees[-1] if fewest is None else trees[LEAVES.index(fewest)],
        names=reading.names,
    )


def _fewest(curve: Sequence[TreePoint], best: float | None) -> tuple[int | None, str | None]:
    """L90, or why it is not defined; neither where it is censored. best: the policy's own score."""
    if best is None:
        return None, "the environment's card has no scores"
    if best <= 0:
        return None, "the policy plays no better than random"
    good = (point.leaves for point in curve if point.score is not None and point.score >= 0.9 * best)
    return next(good, None), None


def _data(said: Sequence[tuple[States, Array]], reading: Reading) -> tuple[Array, Array]:
    """Rows and answers of all episodes so far."""
    states = joined([part for part, _ in said])
    return reading.rows(states), np.concatenate([answers for _, answers in said])


def _fidelity(subject: Subject, given: Array, right: Array) -> float:
    """The share of states with the policy's own action; for reals one minus the mean distance in the log's range."""
    targets = right.reshape(len(right), -1)
    if subject.spec.kind == "box":
        return float(1.0 - (np.abs(given - targets) / subject.action_range.numpy()).mean())
    return float((given == targets).all(axis=1).mean())


def _record(material: Material, player: Deciding | None, reading: Reading, seeds: Array) -> tuple[States, Array]:
    """Episodes of the player, or of the policy itself: states, and the policy's actions there."""
    kind = Watched if player is None else Asked
    asked = kind(player or tree_policy([], reading), material.case.policy, material.decisions)
    return asked.recorded(material.play(asked, seeds, num_envs=len(seeds)).lengths)
