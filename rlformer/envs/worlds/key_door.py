"""Credit over a delay: a key is taken at the start, or not, and only the door at the end pays for it.

After the Key-to-Door environment of Mesnard et al. (2021), which the Decision Transformer paper (Chen et al.
2021) uses too, in its smallest form.
"""

from __future__ import annotations

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic, Latent, State, one_hot
from rlformer.envs.worlds.vector import DiagnosticVector


class KeyDoor(Diagnostic):
    """`choices` actions in the key room, the first takes the key; `length` steps that do nothing; a door.

    Odd actions open the door, even ones leave it. The reward is 1 with key and open, else 0. Whether the key
    was taken is hidden (unless `show_key`): one-step bootstrapping cannot pass credit back through the
    corridor, while an episode's return carries it. The log is uniform over the choices that each room has.
    """

    def __init__(
        self, length: int = 10, choices: int = 4, show_key: bool = False, render_mode: str | None = None
    ) -> None:
        if length < 0 or choices < 1:
            raise InputError(f"KeyDoor: length >= 0 and choices >= 1, got {length} and {choices}")
        self.length, self.choices, self.show_key = length, choices, show_key
        others = (f"search {i} / {'open' if i % 2 else 'leave'}" for i in range(1, max(choices, 2)))
        super().__init__(
            actions=("take key / leave", *others),
            groups={"phase": ("key room", "corridor", "door")} | ({"key": ("key",)} if show_key else {}),
            horizon=length + 2,
            decisions=(0, length + 1),
            relevant=frozenset({"phase", "key"} if show_key else {"phase"}),
            relevant_to_expert=frozenset({"phase"}),
            render_mode=render_mode,
        )
        if choices > 1 and not show_key:
            # To open is never wrong, so that for the best return the key need not be known; for none it must be.
            made_by = (tuple(range(1, choices)), (0,))
            self.latent = Latent("key", ("not taken", "taken"), 0, length + 1, made_by=made_by, asked=(0.0,))

    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """Memory: 1 with the key, 2 once it opened the door."""
        key = np.where(state.time == 0, actions == 0, state.memory)
        over = state.time == self.length + 1
        opened = over & (key == 1) & (actions % 2 == 1)
        return key + opened, opened.astype(np.float64), over

    def features(self, state: State) -> Array:
        """Key room, corridor or door; the key where it is shown. Nothing once the door was tried."""
        phase = np.add(state.time > 0, state.time > self.length, dtype=np.int64) + 2 * state.over
        shown = one_hot(phase, 3)
        return np.column_stack([shown, state.memory > 0]).astype(np.float32) if self.show_key else shown

    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """Key, corridor, door and what lies behind it; above the agent the key that it has."""
        row = [".", *"." * self.length, "D", "$" if memory == 2 else "?"]
        row[0] = "." if memory else "k"
        place = min(time, self.length + 1)
        row[place] = "@"
        above = ["#"] * len(row)
        above[place] = "k" if memory == 1 else "#"
        return ["".join(above), "".join(row), "#" * len(row)]

    def log(self, first: Array, current: Array) -> Array:
        """Uniform over the choices in the key room, over leave (0) and open (1) at the door."""
        actions = np.arange(len(self.action_names))
        return np.where(current[:, 2:3] > 0.5, (actions < 2) / 2.0, (actions < self.choices) / self.choices)

    def expert(self, first: Array, current: Array) -> Array:
        """Take the key, open the door."""
        return one_hot((current[:, 2] > 0.5).astype(np.int64), len(self.action_names))

    def optimum(self, context: int | None = None) -> float:
        """1: opening is never wrong, so that the hidden key costs nothing."""
        return 1.0

    def share(self, target_return: float) -> float:
        """P(G = 1) = 1 / (2 choices)."""
        return {1.0: 0.5 / self.choices, 0.0: 1.0 - 0.5 / self.choices}.get(target_return, 0.0)

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean."""
        return 0.5 / self.choices

    def random_return(self) -> float:
        """One action takes the key, every odd one opens the door."""
        actions = len(self.action_names)
        return actions // 2 / actions**2

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """1 for the return 1, whatever is hidden: the return carries it.

        For 0, who knows of the key leaves the door; who does not plays P(key | 0) P(open | 0).
        """
        if target_return == 1.0:
            return 1.0
        if greedy or self.show_key or context >= self.horizon:
            return 0.0
        return (self.choices - 1) / (2 * self.choices - 1) ** 2


class KeyDoorVector(DiagnosticVector):
    """Many at once."""

    environment = KeyDoor
