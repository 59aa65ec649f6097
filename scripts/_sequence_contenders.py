"""One contender of scripts/bench_sequence in a process of its own: NAME FOLDER DEVICE SIZES, then requests on stdin.

Requests are "train", "act-N" and "load": see `_contender`. Nothing of rlformer is imported for peers.

SIZES "paper" is the paper's model: context 20, 3 layers, 1 head, width 128; "dt" that of the preset: context 10, 2
layers, 2 heads, width 64. Dropout 0.1, batch 64, Hopper's observations and actions, AdamW, gradients clipped at 0.25.
Hugging Face's and torchrl's models come without a sampler of windows and without a way to act: they are given one batch
that lies ready, which costs them nothing, and windows of all environments at once. "As published" is Hugging Face's
model in the loops of its own example, on arrays instead of a table of lists.
"""

import abc
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _contender import answer_requests

CONTEXT, LAYERS, HEADS, WIDTH = {"paper": (20, 3, 1, 128), "dt": (10, 2, 2, 64)}[sys.argv[4]]
BATCH, OBSERVATION, ACTION, LONGEST = 64, 11, 3, 1000


class Ours:
    """This project's, in each form of its tokens."""

    def __init__(self, folder: Path, device: torch.device, **values: Any) -> None:
        from rlformer.agents.sequence.architecture import Architecture
        from rlformer.agents.sequence.objectives.imitation import imitate
        from rlformer.agents.sequence.training import memory
        from rlformer.agents.sequence.training.state import State, TrainOptions
        from rlformer.agents.sequence.training.step import GradientStep
        from rlformer.agents.sequence.trajectory import TrajectoryModel
        from rlformer.data.folder import load
        from rlformer.data.windows import Windows

        memory.keep_freed()
        self._folder = folder / "log"
        data = load(self._folder)
        known = {"layers": LAYERS, "heads": HEADS, "width": WIDTH, "context_length": CONTEXT, "max_timesteps": LONGEST}
        spaces = data.info.spaces
        self._model = TrajectoryModel(Architecture(spaces.observation, spaces.actions, **{**known, **values})).to(
            device
        )
        state = State(self._model, TrainOptions(10**6, batch_size=BATCH), 0, folder / "unused")
        self._step = GradientStep(state, imitate, Windows(data, self._model.architecture.context_length).to(device))
        self._policies: dict[int, Any] = {}

    def train(self, count: int) -> None:
        self._model.train()
        for _ in range(count):
            self._step()

    def act(self, num_envs: int, count: int) -> None:
        from rlformer.agents.sequence.acting import SequencePolicy

        self._model.eval()
        if num_envs not in self._policies:
            self._policies[num_envs] = SequencePolicy(self._model, 3600.0)
            self.act(num_envs, CONTEXT)  # full contexts from here on
        policy = self._policies[num_envs]
        observations, rewards = np.zeros((num_envs, OBSERVATION), np.float32), np.ones(num_envs)
        for _ in range(count):
            policy.observe(policy.act(observations), rewards)

    def load(self, count: int) -> None:
        """To the first batch, from disk."""
        from rlformer.data.folder import load
        from rlformer.data.windows import Windows

        for _ in range(count):
            Windows(load(self._folder), CONTEXT).draw(BATCH, np.random.default_rng(0))


class GivenBatches(abc.ABC):
    """A model alone, trained on one batch that lies ready and asked about windows that do."""

    model: torch.nn.Module

    def _init_training(self, device: torch.device) -> None:
        rng = np.random.default_rng(0)
        self._device = device
        self.model.to(device)
        self._batch = {name: value.to(device) for name, value in self._inputs(BATCH).items()}
        self._actions = torch.from_numpy(rng.uniform(-1, 1, (BATCH, CONTEXT, ACTION)).astype(np.float32)).to(device)
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
        self._asked: dict[int, Any] = {}

    @abc.abstractmethod
    def _inputs(self, count: int) -> dict[str, torch.Tensor]:
        """Windows of `count` environments, by the names that the model gives them."""

    @abc.abstractmethod
    def _predict(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Actions at every step: (count, CONTEXT, ACTION)."""

    def train(self, count: int) -> None:
        self.model.train()
        for _ in range(count):
            loss = self._loss()
            self._optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.25)
            self._optimizer.step()
            float(loss.detach())

    def _loss(self) -> torch.Tensor:
        return (self._predict(self._batch) - self._actions).square().mean()

    @torch.inference_mode()
    def act(self, num_envs: int, count: int) -> None:
        """All environments in one batch; windows are shifted by a step each time."""
        self.model.eval()
        inputs = self._asked.setdefault(num_envs, self._inputs(num_envs))
        for _ in range(count):
            action = self._predict(inputs)[:, -1].numpy()
            for name, value in inputs.items():
                inputs[name] = value.roll(-1, 1)
            next(iter(inputs.values()))[:, -1] = float(action[0, 0])


class HuggingFace(GivenBatches):
    """transformers' DecisionTransformerModel."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import DecisionTransformerConfig, DecisionTransformerModel

        sizes = {"state_dim": OBSERVATION, "act_dim": ACTION, "hidden_size": WIDTH, "n_layer": LAYERS, "n_head": HEADS}
        self.model = DecisionTransformerModel(DecisionTransformerConfig(**sizes, max_ep_len=LONGEST))
        self._init_training(device)

    def _inputs(self, count: int) -> dict[str, torch.Tensor]:
        return {
            "states": torch.zeros(count, CONTEXT, OBSERVATION),
            "actions": torch.zeros(count, CONTEXT, ACTION),
            "returns_to_go": torch.zeros(count, CONTEXT, 1),
            "timesteps": torch.arange(CONTEXT).expand(count, -1),
            "attention_mask": torch.ones(count, CONTEXT),
        }

    def _predict(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.model(**inputs, return_dict=False)[1]


class HuggingFacePublished(HuggingFace):
    """The same in the loops of the example that Hugging Face publishes for it: its collator, and its way to act."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        super().__init__(folder, device)
        arrays = (np.load(folder / f"{name}.npy") for name in ("observations", "actions", "rewards"))
        self._episodes = list(zip(*(array.reshape(-1, LONGEST, *array.shape[1:]) for array in arrays), strict=True))
        self._rng = np.random.default_rng(0)
        self._played: dict[int, list[dict[str, torch.Tensor]]] = {}

    def _loss(self) -> torch.Tensor:
        """Of a batch that is collated window by window; returns-to-go are summed step by step from each start."""
        rows: dict[str, list[Any]] = {name: [] for name in (*self._batch, "targets")}
        for i in self._rng.choice(len(self._episodes), BATCH):
            start = int(self._rng.integers(LONGEST))
            observations, actions, rewards = (part[start:] for part in self._episodes[i])
            togo = np.zeros_like(rewards)
            togo[-1] = rewards[-1]
            for t in reversed(range(len(rewards) - 1)):
                togo[t] = rewards[t] + togo[t + 1]
            length = min(CONTEXT, len(rewards))
            front = (CONTEXT - length, 0)  # padded in front, as the example does

            def padded(values: Any, fill: float, front: Any = front) -> Any:
                return np.pad(values[:CONTEXT], [front, *[(0, 0)] * (values.ndim - 1)], constant_values=fill)

            rows["states"].append(padded(observations, 0.0))
            rows["actions"].append(padded(actions, -10.0))
            rows["targets"].append(padded(actions, 0.0))
            rows["returns_to_go"].append(padded(togo[:, None] / LONGEST, 0.0))
            rows["timesteps"].append(padded(np.arange(start, start + length), 0))
            rows["attention_mask"].append(padded(np.ones(length), 0))
        batch = {name: torch.from_numpy(np.stack(values)).to(self._device) for name, values in rows.items()}
        targets, mask = batch.pop("targets").float(), batch["attention_mask"] > 0
        whole = {name: value if name == "timesteps" else value.float() for name, value in batch.items()}
        return (self._predict(whole)[mask] - targets[mask]).square().mean()

    @torch.inference_mode()
    def act(self, num_envs: int, count: int) -> None:
        """One environment after the other, from a history that grows by concatenation."""
        self.model.eval()
        sizes = {"states": OBSERVATION, "actions": ACTION, "returns_to_go": 1}
        if num_envs not in self._played:
            self._played[num_envs] = [{n: torch.zeros(1, size) for n, size in sizes.items()} for _ in range(num_envs)]
            self.act(num_envs, CONTEXT)
        for _ in range(count):
            for history in self._played[num_envs]:
                length = len(history["states"])
                if length == LONGEST:  # a new episode, as long as is asked about
                    history.update({name: values[:CONTEXT] for name, values in history.items()})
                    length = CONTEXT
                inputs = {name: values[-CONTEXT:][None] for name, values in history.items()}
                inputs["timesteps"] = torch.arange(length)[-CONTEXT:][None]
                real = inputs["timesteps"].shape[1]
                inputs["attention_mask"] = torch.ones(1, real)
                for name, values in inputs.items():
                    missing = values.new_zeros(1, CONTEXT - real, *values.shape[2:])
                    inputs[name] = torch.cat([missing, values], dim=1)
                action = self._predict(inputs)[0, -1].numpy()
                history["actions"][-1] = torch.from_numpy(action)
                for name, size in sizes.items():
                    history[name] = torch.cat([history[name], torch.zeros(1, size)])


class TorchRL(GivenBatches):
    """torchrl's DTActor."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from torchrl.modules import DTActor

        sizes = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_inner": 4 * WIDTH, "activation": "relu"}
        config = {**sizes, "n_positions": 1024, "resid_pdrop": 0.1, "attn_pdrop": 0.1}
        self.model = DTActor(OBSERVATION, ACTION, config)
        self._init_training(device)

    def _inputs(self, count: int) -> dict[str, torch.Tensor]:
        sizes = {"observation": OBSERVATION, "action": ACTION, "return_to_go": 1}
        return {name: torch.zeros(count, CONTEXT, size) for name, size in sizes.items()}

    def _predict(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.model(**inputs).tanh()


class D3RLPy:
    """d3rlpy's DecisionTransformer, with its own buffer; it acts in one environment, so that N take N calls."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        import d3rlpy
        from d3rlpy.models import VectorEncoderFactory
        from d3rlpy.optimizers import AdamWFactory

        arrays = [np.load(folder / f"{name}.npy") for name in ("observations", "actions", "rewards")]
        ends = np.zeros(len(arrays[2]), np.float32)
        ends[LONGEST - 1 :: LONGEST] = 1
        data = d3rlpy.dataset.MDPDataset(*arrays, terminals=np.zeros_like(ends), timeouts=ends)
        algorithm = d3rlpy.algos.DecisionTransformerConfig(
            batch_size=BATCH,
            context_size=CONTEXT,
            max_timestep=LONGEST,
            num_layers=LAYERS,
            num_heads=HEADS,
            compile_graph=device.type == "cuda",
            encoder_factory=VectorEncoderFactory([WIDTH]),
            optim_factory=AdamWFactory(weight_decay=1e-4, clip_grad_norm=0.25),
        ).create(device=device.type)
        algorithm.build_with_dataset(data)
        self._algorithm, self._data = algorithm, data
        self._wrappers: dict[int, list[Any]] = {}

    def train(self, count: int) -> None:
        for _ in range(count):
            self._algorithm.update(self._data.sample_trajectory_batch(BATCH, CONTEXT))

    def act(self, num_envs: int, count: int) -> None:
        if num_envs not in self._wrappers:
            self._wrappers[num_envs] = [self._algorithm.as_stateful_wrapper(3600.0) for _ in range(num_envs)]
            self.act(num_envs, CONTEXT)
        observation = np.zeros(OBSERVATION, np.float32)
        for _ in range(count):
            for wrapper in self._wrappers[num_envs]:
                wrapper.predict(observation, 1.0)


class Minari:
    """Minari's own iteration over the same log."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        os.environ["MINARI_DATASETS_PATH"] = str(folder / "minari")

    def load(self, count: int) -> None:
        import minari

        for _ in range(count):
            data = minari.load_dataset("bench/log-v0")
            kept = [(e.observations, e.actions, e.rewards) for e in data.iterate_episodes()]
            assert len(kept) == data.total_episodes


BANDED = {"tokens": "step", "attention_band": CONTEXT, "context_length": 2 * CONTEXT, "timestep_encoding": "none"}
CONTENDERS: dict[str, Any] = {
    "rlformer": Ours,
    "rlformer, a token a step": lambda folder, device: Ours(folder, device, tokens="step"),
    "rlformer, streaming": lambda folder, device: Ours(folder, device, **BANDED),
    "transformers": HuggingFace,
    "transformers, as published": HuggingFacePublished,
    "d3rlpy": D3RLPy,
    "torchrl": TorchRL,
    "minari": Minari,
}


def main() -> None:
    """Answer requests until standard input ends."""
    name, folder, device = sys.argv[1], Path(sys.argv[2]), torch.device(sys.argv[3])
    answer_requests(lambda: CONTENDERS[name](folder, device))


if __name__ == "__main__":
    main()
