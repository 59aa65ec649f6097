"""Decision trees that stand for a policy: how small they can be and still play nearly as well. The one door to
scikit-learn.

After VIPER (Bastani et al. 2018, arXiv:1805.08328): a tree plays, the policy says what it would have done, and the
next tree learns from all that was said so far, as in DAgger (Ross et al. 2011); states are not weighed by value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs.rollout import rollout
from rlformer.envs.vector import Environments
from rlformer.explain.memory import Asked, Deciding, Watched, joined
from rlformer.explain.states import States
from rlformer.explain.subject import Subject
from rlformer.explain.tree import SavedTree, Tree, rows_of, tree_policy

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


def surrogate(
    subject: Subject,
    teacher: Policy,
    like: SavedTree,
    env: EnvSpec,
    seeds: Array,
    decisions: tuple[int, ...] | None,
    score: Callable[[float], float | None],
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[str, Any], Tree]:
    """The curve of fidelity and of return against leaves, L90, and the tree with so many leaves.

    teacher: the policy itself, which remembers its own past. like: what the trees read. seeds: of episodes, as many
    as are needed. score: a return's normalised score, or None without a scale. L90 is the fewest leaves whose score
    is .9 of the policy's on the same episodes; censored where 256 are too few.
    """
    supply, spent = iter(seeds.tolist()), 0
    length = _typical_length(teacher, env, like, supply)
    spent += length[1]
    episodes = int(np.clip(_STEPS // length[0], _FEWEST, _MOST_EPISODES))
    take = lambda: np.array([next(supply) for _ in range(episodes)])  # noqa: E731
    states, answers, steps = _record(None, teacher, like, env, take(), decisions)
    held_out, right, held_steps = _record(None, teacher, like, env, take(), decisions)
    spent += steps + held_steps
    progress(1, _ROUNDS + 2)
    told: list[tuple[States, Array]] = [(states, answers)]
    for number in range(_ROUNDS):
        rows, targets = _data(told, like)
        tree = fit(rows, targets, subject.spec, MOST, seed)
        more, said, steps = _record(tree_policy([tree], like), teacher, like, env, take(), decisions)
        told.append((more, said))
        spent += steps
        progress(2 + number, _ROUNDS + 2)
    rows, targets = _data(told, like)
    trees = [fit(rows, targets, subject.spec, leaves, seed) for leaves in LEAVES]
    on = np.array([next(supply) for _ in range(_JUDGED)])
    final = np.zeros((len(trees), len(on)))
    for i, value, steps in _play(tree_policy(trees, like, len(on)), env, np.tile(on, len(trees)), like):
        final[divmod(i, len(on))] = value
        spent += steps
    base = np.zeros(len(on))
    for i, value, steps in _play(teacher, env, on, like):
        base[i] = value
        spent += steps
    held = rows_of(held_out, like.reads, like.reads_returns)
    curve = [
        {
            "leaves": leaves,
            "grown": tree.leaves,
            "fidelity": _fidelity(subject, tree(held), right),
            "return": float(returns.mean()),
            "score": score(float(returns.mean())),
        }
        for leaves, tree, returns in zip(LEAVES, trees, final, strict=True)
    ]
    best = score(float(base.mean()))
    found, reason = _fewest(curve, best)
    progress(_ROUNDS + 2, _ROUNDS + 2)
    result = {
        "reads": like.reads,
        "curve": curve,
        "policy": {"return": float(base.mean()), "score": best},
        "l90": found,
        "censored": found is None and reason is None,
        "reason": reason,
        "samples": len(rows),
        "episodes": len(on),
        "env_steps": int(spent),
    }
    kept = trees[LEAVES.index(found)] if found is not None else trees[-1]
    return result, kept


def _fewest(curve: list[dict[str, Any]], best: float | None) -> tuple[int | None, str | None]:
    if best is None:
        return None, "the environment's card has no scores"
    if best <= 0:
        return None, "the policy plays no better than random"
    return next((point["leaves"] for point in curve if point["score"] >= 0.9 * best), None), None


def _data(told: list[tuple[States, Array]], like: SavedTree) -> tuple[Array, Array]:
    states = joined([part for part, _ in told])
    return rows_of(states, like.reads, like.reads_returns), np.concatenate([said for _, said in told])


def _fidelity(subject: Subject, given: Array, right: Array) -> float:
    """The share of states with the policy's own action; for reals one minus the mean distance in the log's range."""
    targets = right.reshape(len(right), -1)
    if subject.spec.kind == "box":
        return float(1.0 - (np.abs(given - targets) / subject.action_range.numpy()).mean())
    return float((given == targets).all(axis=1).mean())


def _record(
    player: Deciding | None,
    teacher: Policy,
    like: SavedTree,
    env: EnvSpec,
    seeds: Array,
    decisions: tuple[int, ...] | None,
) -> tuple[States, Array, int]:
    """Episodes of the player, or of the teacher itself: states, the teacher's actions there, environment steps."""
    kind = Watched if player is None else Asked
    asked = kind(player or tree_policy([], like), teacher, decisions)
    lengths = np.zeros(len(seeds), np.int64)
    for i, _, steps in _play(asked, env, seeds, like):
        lengths[i] = steps
    return *asked.recorded(lengths), int(lengths.sum())


def _play(policy: Policy, env: EnvSpec, seeds: Array, like: SavedTree) -> Any:
    """(index, return, length) of an episode for each seed, one environment each."""
    environments = Environments(env, len(seeds))
    targets = None if like.target_return is None else np.full(len(seeds), like.target_return)
    try:
        for i, episode in rollout(environments, policy, seeds, targets, keep_observations=False):
            yield i, episode.episode_return, len(episode)
    finally:
        environments.close()


def _typical_length(teacher: Policy, env: EnvSpec, like: SavedTree, supply: Any) -> tuple[float, int]:
    """Mean length of a few episodes of the policy, and the steps they took."""
    lengths = [steps for _, _, steps in _play(teacher, env, np.array([next(supply) for _ in range(_FEWEST)]), like)]
    return float(np.mean(lengths)), sum(lengths)
