"""One gradient step; on a GPU recorded once, and replayed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rlformer.agents.sequence.objectives.base import Loss
from rlformer.agents.sequence.training.state import State
from rlformer.data.windows import Windows

_WARM_UP = 3  # steps made before one is recorded: libraries take their workspaces in the first


@dataclass(frozen=True)
class Stepped:
    """What a gradient step found: the mean loss, the gradient's norm before it was clipped, the real steps seen."""

    loss: float
    gradient_norm: float
    samples: int

    @property
    def finite(self) -> bool:
        """Whether the step can be trusted; else the parameters are spoiled."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient_norm)


class Runner(Protocol):
    """Runs a piece of work whose tensors stay where they are, and returns what it does."""

    def __call__(self, work: Callable[[], Tensor]) -> Tensor: ...


class GradientStep:
    """Draws a batch, differentiates, clips, descends, and counts it in the state.

    All of it happens where the parameters are; between drawing where the windows begin and asking what was found, at
    its end, the host waits for nothing.
    """

    def __init__(
        self,
        state: State,
        loss: Loss,
        windows: Windows,
        runner: Runner | None = None,
        pretraining: Loss | None = None,
    ) -> None:
        self._state, self._loss, self._windows = state, loss, windows
        self._first, self._begun = pretraining or loss, runner or _runner(state)  # of a pretraining, and what runs it
        self._fixed: list[tuple[Tensor, Tensor]] | None = None  # parameters that imitation leaves, and what they are
        self._names: tuple[str, ...] = ()  # of what the objective logs beside the loss; they stay as they are
        self._starts = torch.zeros(state.options.batch_size, dtype=torch.int64, device=state.device)
        self._run = runner or _runner(state)

    def __call__(self) -> Stepped:
        """One step."""
        state = self._state
        self._starts.copy_(self._windows.starts(len(self._starts), state.batches))
        state.set_learning_rate()
        before = state.pretraining
        if self._fixed is None and not before:
            self._fixed = [(parameter.detach(), parameter.detach().clone()) for parameter in state.model.fixed]
        run, loss_name = (self._begun, "pretraining_loss") if before else (self._run, "loss")
        loss, norm, samples, *more = run(self.pretrain if before else self.work).tolist()
        found = Stepped(loss, norm, int(samples))
        state.stepped({loss_name: loss, **dict(zip(self._names, more, strict=True))}, found.samples)
        if before and not state.pretraining:
            state.begin_anew()
        return found

    def pretrain(self) -> Tensor:
        """As `work`, of a step of the pretraining."""
        return self._descend(self._first)

    def work(self) -> Tensor:
        """What a device does in a step, from where the windows start: loss, norm, samples and what else is logged."""
        found = self._descend(self._loss)
        for parameter, value in self._fixed or ():  # weight decay moved it
            parameter.copy_(value)
        return found

    def _descend(self, objective: Loss) -> Tensor:
        state, window = self._state, self._windows.at(self._starts)
        (losses, logged), samples = objective(state.model, window), window.mask.sum()
        loss = losses.sum() / samples
        state.parameters.gradients.zero_()
        loss.backward()
        norm = state.parameters.clip_gradients(state.options.gradient_clip or math.inf)
        state.optimizer.step()
        self._names = tuple(logged)
        means = [(values.detach().sum() / samples).double() for values in logged.values()]
        return torch.stack([loss.detach().double(), norm.double(), samples.double(), *means])


class CudaGraph:
    """A runner for a CUDA device: the work is run a few times, then recorded, and from then on replayed.

    The kernels of a small model are launched one by one more slowly than they run; a recording is launched at once.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._left = device, _WARM_UP
        self._stream = torch.cuda.Stream(device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._found: Tensor

    def __call__(self, work: Callable[[], Tensor]) -> Tensor:
        """See `Runner`."""
        with torch.cuda.device(self._device):
            if self._left > 0:  # on the stream of the recording, for which libraries take their workspaces
                self._left -= 1
                return self._beside(work)
            if self._graph is None:
                self._graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self._graph, stream=self._stream):
                    self._found = work()
            self._graph.replay()
            return self._found

    def _beside(self, work: Callable[[], Tensor]) -> Tensor:
        """On the own stream, which begins after what is under way and ends before what follows."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            found = work()
        current.wait_stream(self._stream)
        return found


def _at_once(work: Callable[[], Tensor]) -> Tensor:
    return work()


def _runner(state: State) -> Runner:
    recorded = state.device.type == "cuda" and state.model.architecture.kind.recorded
    return CudaGraph(state.device) if recorded else _at_once
