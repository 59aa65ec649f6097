"""Credit over a delay, on a grid: the Key-to-Door task of the Decision Transformer paper (Chen et al. 2021).

After Mesnard et al. (2021): a room with a key, a room that only takes time, a room with a door that pays for
the key. `key_door.KeyDoor` is the same question in its smallest form.
"""

from __future__ import annotations

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic, State, one_hot
from rlformer.envs.worlds.vector import DiagnosticVector

_MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right


class KeyToDoor(Diagnostic):
    """Three rooms of `side` x `side` cells: `steps` in the first, `distractor` in the second, `steps` in the third.

    The key lies in the upper left corner of the first room, the door in the lower right one of the third; reaching
    it ends the episode and pays 1 if the key was taken, else 0. The agent begins the first and the third room in
    any other cell, the second in its upper left one; walls stop it. It sees its room, its cell, whether the key lies
    there, and how much of its time in the room is left, but in the third room not whether it has the key. The log
    is a random walk. With the sizes that are the default it succeeds in 3.1 % of the episodes, as in the paper.
    """

    def __init__(self, side: int = 4, steps: int = 8, distractor: int = 8, render_mode: str | None = None) -> None:
        if side < 2 or distractor < 0 or steps < 2 * (side - 1):
            raise InputError(
                f"KeyToDoor: side >= 2, distractor >= 0, and steps >= 2 (side - 1) so that every corner can be "
                f"reached; got {side}, {distractor} and {steps}"
            )
        self.side, self.steps, self.distractor = side, steps, distractor
        cells, self._third = side**2, steps + distractor  # when the third room begins
        place = np.stack(np.divmod(np.arange(cells), side), axis=1)  # (cells, 2)
        moved = np.clip(place[:, None] + np.array(_MOVES), 0, side - 1)  # (cells, 4, 2)
        self._after = moved[..., 0] * side + moved[..., 1]  # (cells, 4): where a move leads
        self._corner = np.array([0, 0, cells - 1])  # what there is to reach, by room
        # Which of the other cells: the first coin that falls heads, each as likely.
        first = tuple(1 / (cells - 1 - i) for i in range(cells - 2))
        super().__init__(
            actions=("up", "down", "left", "right"),
            groups={
                "room": ("key room", "distractor room", "door room"),
                "cell": tuple(f"cell {row} {column}" for row in range(side) for column in range(side)),
                "key": ("key lies here",),
                "clock": ("remaining",),
            },
            horizon=2 * steps + distractor,
            decisions=(*range(steps), *range(self._third, 2 * steps + distractor)),
            relevant=frozenset({"room", "cell", "key", "clock"}),
            relevant_to_expert=frozenset({"room", "cell"}),
            coins=first + first,
            render_mode=render_mode,
        )

    def begin(self, coins: Array) -> State:
        """Memory: the cell, plus the number of cells once the key was taken, or twice that once the door paid."""
        state = super().begin(coins)
        state.memory = self._start(coins, 0)
        return state

    def _start(self, coins: Array, third: int) -> Array:
        """The first cell in the first (0) or third (1) room, never the corner: (N,)."""
        mine = coins[:, : coins.shape[1] // 2] if third == 0 else coins[:, coins.shape[1] // 2 :]
        index = np.where(mine.any(axis=1), mine.argmax(axis=1), mine.shape[1])
        return index + 1 - third  # the corner is the first cell of the first room, the last of the third

    def _room(self, time: Array) -> Array:
        """0, 1 or 2: (N,)."""
        return (time >= self.steps).astype(np.int64) + (time >= self._third)

    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """Memory: see `begin`."""
        cells, room, after = self.side**2, self._room(state.time), state.time + 1
        held, cell = np.divmod(state.memory, cells)
        cell = self._after[cell, actions]
        held = np.where((room == 0) & (cell == self._corner[0]), 1, held)
        reached = (room == 2) & (cell == self._corner[2])
        paid = reached & (held == 1)
        cell = np.where(after == self.steps, 0, cell)  # always the same one: it must not tell where the agent was
        cell = np.where(after == self._third, self._start(state.coins, 1), cell)
        return cell + cells * (held + paid), paid.astype(np.float64), reached | (after == self.horizon)

    def features(self, state: State) -> Array:
        """Room, cell, key, the share of the room's time that is left; nothing at the end."""
        room, (held, cell) = self._room(state.time), np.divmod(state.memory, self.side**2)
        length = np.array([self.steps, max(1, self.distractor), self.steps])[room]
        end = np.array([self.steps, self._third, self.horizon])[room]
        shown = [one_hot(room, 3), one_hot(cell, self.side**2), (room == 0) & (held == 0), (end - state.time) / length]
        return (np.column_stack(shown) * ~state.over[:, None]).astype(np.float32)

    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """The room with the agent in it; the key that it has stands in the wall above."""
        held, cell = divmod(memory, self.side**2)
        room = 2 if time >= self.horizon or held == 2 else int(self._room(np.array(time)))
        tiles = ["."] * self.side**2
        if room == 0 and not held:
            tiles[0] = "k"
        if room == 2:
            tiles[-1] = "$" if held == 2 else "D"
        tiles[cell] = "@"
        rows = ["".join(tiles[i : i + self.side]) for i in range(0, len(tiles), self.side)]
        return [("k" if held == 1 else "#") + "#" * (self.side - 1), *rows]

    def expert(self, first: Array, current: Array) -> Array:
        """Straight to the corner of the room, first up or down, then left or right."""
        room, cell = np.argmax(current[:, :3], axis=1), np.argmax(current[:, 3 : 3 + self.side**2], axis=1)
        row, last, end = cell // self.side, room == 2, self.side - 1
        vertical = np.where(last, row < end, row > 0)
        return one_hot(np.where(vertical, np.where(last, 1, 0), np.where(last, 3, 2)), 4)

    def optimum(self, context: int | None = None) -> float:
        """1: every corner can be reached in time, and going to the door is never wrong."""
        return 1.0

    def share(self, target_return: float) -> float:
        """The chance that a random walk takes the key, times the chance that it finds the door."""
        success = self._found() ** 2
        return {1.0: success, 0.0: 1.0 - success}.get(target_return, 0.0)

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean: it is uniform."""
        return self._found() ** 2

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """1 for 1: every action that the log's successes took leaves success possible, and the clock runs out.

        For 0: never, greedy, since the corner is the least likely cell among failures. Sampled, by forward
        recursion: in the first room an action counts 1 - P(success after it); in the third it counts
        1 - k P(door after it), with k = 1 where the key was taken and the context shows it, k = P(key) in the log
        where the context does not reach back to the first room.
        """
        if target_return == 1.0 or greedy:
            return target_return
        reach, found = self._reach(), self._found()
        key = self._play([found] * self.steps, reach)
        unseen = [context < self.distractor + step + 2 for step in range(self.steps)]
        return key * self._play([found if hidden else 1.0 for hidden in unseen], reach)

    def _reach(self) -> Array:
        """P(a random walk reaches the corner within t more steps): (steps + 1, cells). The corner is cell 0."""
        reach = np.zeros((self.steps + 1, self.side**2))
        reach[:, 0] = 1.0
        for left in range(self.steps):
            reach[left + 1, 1:] = reach[left][self._after[1:]].mean(axis=1)
        return reach

    def _found(self) -> float:
        """P(a random walk reaches the corner in the time of a room)."""
        return float(self._reach()[-1, 1:].mean())

    def _play(self, believed: list[float], reach: Array) -> float:
        """P(the corner is reached) by who plays action a in proportion to 1 - believed[t] P(reached after a)."""
        cells = self.side**2
        where = np.full(cells, 1 / (cells - 1))
        where[0] = 0.0
        for step, belief in enumerate(believed):
            weights = 1.0 - belief * reach[self.steps - step - 1][self._after]  # (cells, 4)
            total = weights.sum(axis=1, keepdims=True)
            weights = np.divide(weights, total, out=np.full_like(weights, 0.25), where=total > 0)
            weights[0] = 0.0  # the corner keeps what came
            ahead = np.zeros(cells)
            np.add.at(ahead, self._after, where[:, None] * weights)
            ahead[0] += where[0]
            where = ahead
        return float(where[0])


class KeyToDoorVector(DiagnosticVector):
    """Many at once."""

    environment = KeyToDoor
