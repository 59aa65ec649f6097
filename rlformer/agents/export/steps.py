"""One step of a policy as a pure function of arrays: what it knows of an episode comes in and goes out again.

Written for deployment around the weights that were learned, which stay as they are. Every step has the same form:

input              shape              what
observation        (N, *obs)          canonical, as float32
return_to_go       (N,)               what is left of the return asked for, where the policy is return-conditioned
previous_action    (N, *act)          canonical, as executed, where the policy reads it; anything at the first step
memory             (N, M)             what came out at the step before, zeros at the first; where there is any
uniform            (N, C)             random numbers in [0, 1), one for each component of an action; or `normal` (N, A),
                                      standard normal ones of reals; where the policy draws its actions

output             shape              what
action             (N, *act)          as the policy chooses it, canonical, a box within its bounds
logits             (N, A)             of categories, component after component; `values` of a Q-function;
                                      `mean_action` of reals, before their bounds
next_memory        (N, M)             for the step that follows
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlformer.agents.online.policy import SB3Policy
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import Window
from rlformer.core.spaces import ActionSpec, ObservationSpec


@dataclass(frozen=True)
class Port:
    """An input or an output of a step, without the batch's axis."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # float32 or int64


class Step(nn.Module, ABC):
    """See the module's words. `forward` takes and gives tensors in the order of `inputs` and `outputs`."""

    inputs: tuple[Port, ...]
    low: Tensor
    high: Tensor

    def __init__(self, actions: ActionSpec, stochastic: bool, observation: tuple[int, ...]) -> None:
        super().__init__()
        self.actions = actions
        self._observation = Port("observation", observation, "float32")
        self._scores = "mean_action" if actions.kind == "box" else "logits" if stochastic else "values"
        if actions.kind == "box":
            self.register_buffer("low", torch.tensor(actions.low, dtype=torch.float32))
            self.register_buffer("high", torch.tensor(actions.high, dtype=torch.float32))

    def _describe(self, returns: bool, before: bool, memory: int, drawn: int = 0) -> None:
        """Say what comes in. drawn: how many random numbers an action is drawn from."""
        ports = [self._observation]
        if returns:
            ports.append(Port("return_to_go", (), "float32"))
        if before:
            ports.append(Port("previous_action", self.actions.shape, self._action_dtype))
        if memory:
            ports.append(Port("memory", (memory,), "float32"))
        if drawn:
            ports.append(Port("normal" if self.actions.kind == "box" else "uniform", (drawn,), "float32"))
        self.inputs = tuple(ports)

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What goes out."""
        width = len(self.actions.low) if self.actions.kind == "box" else sum(self.actions.nvec)
        memory = [Port("next_memory", port.shape, port.dtype) for port in self.inputs if port.name == "memory"]
        action = Port("action", self.actions.shape, self._action_dtype)
        return (action, Port(self._scores, (width,), "float32"), *memory)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """In the order of `inputs` -> in the order of `outputs`."""
        given = {port.name: tensor for port, tensor in zip(self.inputs, inputs, strict=True)}
        action, scores, memory = self.step(given)
        if self.actions.kind == "box":
            action = torch.minimum(torch.maximum(action, self.low), self.high)
        return (action, scores) if memory is None else (action, scores, memory)

    @abstractmethod
    def step(self, given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        """The action, a box before its bounds; its scores; and the memory, None where there is none."""

    @property
    def _action_dtype(self) -> str:
        return "float32" if self.actions.kind == "box" else "int64"


def step_of(policy: Policy, observation: ObservationSpec) -> Step:
    """The step of a policy; one of stable-baselines3 is greedy. Raises InputError where there is no network in it."""
    if isinstance(policy, SB3Policy):
        return ActorStep(policy, observation)
    if isinstance(policy, SequencePolicy):
        return StreamStep(policy) if policy.model.architecture.streams else WindowStep(policy)
    raise InputError("it has no network, so there is nothing to export")


class ActorStep(Step):
    """Of the networks of stable-baselines3: observations are normalised in float64, as there."""

    mean: Tensor
    std: Tensor
    bound: Tensor

    def __init__(self, policy: SB3Policy, observation: ObservationSpec) -> None:
        super().__init__(policy.actions, policy.stochastic, observation.shape)
        self._actor = policy.actor
        self.networks = nn.ModuleList(self._actor.networks)
        self._scaled = policy.scaling is not None
        if policy.scaling is not None:
            for name, numbers in zip(("mean", "std", "bound"), policy.scaling.numbers(), strict=True):
                self.register_buffer(name, torch.as_tensor(numbers, dtype=torch.float64))
        self._describe(returns=False, before=False, memory=self._actor.memory_size)

    def step(self, given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `Step`."""
        seen = given["observation"]
        if self._scaled:
            seen = ((seen.double() - self.mean) / self.std).clamp(-self.bound, self.bound).float()
        memory = given.get("memory")
        action, scores, after = self._actor.step(seen, seen[:, :0] if memory is None else memory)
        return action, scores, None if memory is None else after


class SequenceStep(Step):
    """What the steps of both kinds of sequence models share."""

    def __init__(self, policy: SequencePolicy, memory: int) -> None:
        a = policy.model.architecture
        super().__init__(policy.actions, policy.stochastic, a.observation.shape)
        self.model = policy.model
        self._size = a.observation.size
        self._width = int(np.prod(self.actions.shape))  # numbers of an action, 1 of a single category
        drawn = policy.model.codec.components if policy.samples else 0
        self._describe(policy.reads_returns, a.reads_actions, memory, drawn)

    def _executed(self, numbers: Tensor) -> Tensor:
        """Actions as the model reads them."""
        return numbers if self.actions.kind == "box" else numbers.long()

    def _answer(self, predictions: Tensor, given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(N, outputs) -> actions and scores."""
        codec = self.model.codec
        best = codec.greedy(predictions)
        scores = best if self.actions.kind == "box" else predictions
        if "uniform" in given:
            return codec.sample(predictions, given["uniform"]), scores
        return codec.drawn(predictions, given["normal"]) if "normal" in given else best, scores


class WindowStep(SequenceStep):
    """The model is given its last K steps whole, as it was in training. The memory: how many steps were before, then
    observation, return and action of each of the K - 1 last ones, the newest last.
    """

    def __init__(self, policy: SequencePolicy) -> None:
        a = policy.model.architecture
        steps, row = a.context_length, a.observation.size + 1 + int(np.prod(a.actions.shape))
        timed = a.timestep_encoding == "episode" or steps > 1
        self._foreseen = policy.model.codec.outputs * a.chunk_length if a.executes_chunks else 0
        super().__init__(policy, timed + (steps - 1) * row + self._foreseen)
        self._k, self._row = steps, row

    def step(self, given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `Step`."""
        observation, memory, plan = given["observation"].flatten(1), given.get("memory"), None
        if memory is not None and self._foreseen:
            memory, plan = memory[:, : -self._foreseen], memory[:, -self._foreseen :]
        time = observation[:, 0].long() * 0 if memory is None else memory[:, 0].long()  # (N,)
        owed = given["return_to_go"][:, None] if "return_to_go" in given else observation[:, :1] * 0
        undecided = torch.zeros_like(owed).expand(-1, self._width)
        rows = torch.cat([observation, owed, undecided], dim=1)[:, None]  # (N, 1, row)
        if memory is not None and self._k > 1:
            rows = torch.cat([self._past(memory, given.get("previous_action")), rows], dim=1)  # (N, K, row)
        last = time.clamp(max=self._k - 1)  # of the window, whose first step comes first in what the model reads
        places = torch.arange(self._k)[None] + (self._k - 1 - last)[:, None]
        places = places.clamp(max=self._k - 1)[..., None].expand(-1, -1, self._row)
        if self.model.predicts_returns:  # from the window without it, and then with it
            owed = self._decide(rows.gather(1, places), time, last)[1][:, None]
            newest = torch.cat([observation, owed, undecided], dim=1)[:, None]
            rows = torch.cat([rows[:, :-1], newest], dim=1)
        if plan is None:
            predictions = self._decide(rows.gather(1, places), time, last)[0]
        else:
            predictions, plan = self._follow(plan, rows.gather(1, places), time, last)
        after = None
        if memory is not None:
            behind = [] if plan is None else [plan]
            after = torch.cat([memory[:, :1] + 1, rows[:, 1:].flatten(1), *behind], dim=1)
        return *self._answer(predictions, given), after

    def _past(self, memory: Tensor, before: Tensor | None) -> Tensor:
        """(N, K - 1, row): the steps before, the newest with the action that is known now."""
        past = memory[:, 1:].unflatten(1, (self._k - 1, self._row))
        if before is None:
            return past
        done = before.reshape(-1, self._width).float()
        decided = torch.cat([past[:, -1, : -self._width], done], dim=1)
        return torch.cat([past[:, :-1], decided[:, None]], dim=1)

    def _decide(self, rows: Tensor, time: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """(N, K, row), with the first step of each window first -> the predictions at the last one; and the return that
        is expected there, where the model says it.
        """
        window = self._window(rows, time, last)
        tokens = self.model.embed(window)
        hidden = self.model.backbone(tokens, self.model.row_of(last)[:, None])
        predictions = self.model.head(hidden)[:, 0]
        if not self.model.predicts_returns:
            return predictions, window.returns_to_go[:, 0]
        before = self.model.backbone(tokens, self.model.row_of(last)[:, None] - 1)  # of the observation
        return predictions, self.model.returned(before)[:, 0]

    def _follow(self, plan: Tensor, rows: Tensor, time: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """The predictions that were foreseen for now, or are at the first step of a chunk; and the plan (N, k A)."""
        length = self.model.architecture.chunk_length
        place = (time % length)[:, None]  # (N, 1)
        plan = torch.where(place == 0, self.model.chunks(self._window(rows, time, last), last)[:, 0].flatten(1), plan)
        by_action = plan.unflatten(1, (length, -1))
        return by_action.gather(1, place[..., None].expand(-1, -1, by_action.shape[2]))[:, 0], plan

    def _window(self, rows: Tensor, time: Tensor, last: Tensor) -> Window:
        """What the model reads."""
        a = self.model.architecture
        observations, owed, actions = rows.split([self._size, 1, self._width], dim=2)
        return Window(
            observations.unflatten(2, a.observation.shape),
            self._executed(actions.unflatten(2, a.actions.shape) if a.actions.shape else actions[..., 0]),
            owed[..., 0],
            (time - last)[:, None] + torch.arange(self._k)[None],
            None,
        )


class StreamStep(SequenceStep):
    """The model goes on from what its layers keep. The memory: how many steps were before, then what that is."""

    def __init__(self, policy: SequencePolicy) -> None:
        super().__init__(policy, 1 + int(np.prod(policy.model.memory_shape)))

    def step(self, given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `Step`."""
        observation, memory = given["observation"][:, None], given["memory"]
        time = memory[:, 0].long()
        owed = given["return_to_go"][:, None] if "return_to_go" in given else memory[:, :1] * 0
        before = given.get("previous_action")
        if before is None:
            before = memory[:, : self._width].reshape(-1, *self.actions.shape) * 0
        executed = self._executed(before)
        kept = memory[:, 1:].unflatten(1, self.model.memory_shape).clone()  # which the model changes
        predictions = self.model.step(Window(observation, executed[:, None], owed, time[:, None], None), executed, kept)
        return *self._answer(predictions, given), torch.cat([memory[:, :1] + 1, kept.flatten(1)], dim=1)


def example(step: Step, count: int, seed: int = 0) -> tuple[Tensor, ...]:
    """Inputs of the first step of `count` episodes, random but for what is zero there."""
    rng, found = np.random.default_rng(seed), []
    for port in step.inputs:
        values: Any = np.zeros((count, *port.shape), port.dtype)
        if port.name == "observation":
            values = rng.standard_normal((count, *port.shape)).astype(port.dtype)
        elif port.name == "return_to_go":
            values = rng.random(count, np.float32)
        elif port.name == "uniform":
            values = rng.random((count, *port.shape), np.float32)
        elif port.name == "normal":
            values = rng.standard_normal((count, *port.shape), np.float32)
        found.append(torch.from_numpy(values))
    return tuple(found)
