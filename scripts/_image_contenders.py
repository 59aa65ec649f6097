"""One contender of scripts/bench_images in a process of its own: NAME FOLDER, then requests on stdin.

Decision Transformers of one size that read four stacked grey pictures of 84 x 84: the CNN of Mnih et al. 2015, one
linear layer into the transformer, context 10, 3 layers, 4 heads, width 128, dropout 0.1, batch 16, AdamW, gradients
clipped at 1. For requests see `_contender`. Each draws windows from the same log with its own sampler, which stacks the
frames. torchrl's DTActor reads vectors alone and transformers' model has no sampler and no CNN: both are left out.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _contender import answer_requests

CONTEXT, LAYERS, HEADS, WIDTH, BATCH, ACTIONS, FRAMES = 10, 3, 4, 128, 16, 6, 4


class Ours:
    """This project's, in each form of its tokens."""

    def __init__(self, folder: Path, **values: Any) -> None:
        from rlformer.agents.sequence.architecture import Architecture
        from rlformer.agents.sequence.objectives.imitation import imitate
        from rlformer.agents.sequence.training import memory
        from rlformer.agents.sequence.training.state import State, TrainOptions
        from rlformer.agents.sequence.training.step import GradientStep
        from rlformer.agents.sequence.trajectory import TrajectoryModel
        from rlformer.data.folder import load
        from rlformer.data.windows import Windows

        memory.keep_freed()
        data = load(folder)
        sizes = {"layers": LAYERS, "heads": HEADS, "width": WIDTH, "context_length": CONTEXT}
        spaces = data.info.spaces
        known = {**sizes, "max_timesteps": int(data.lengths.max()), "encoder": "cnn", **values}
        model = TrajectoryModel(Architecture(spaces.observation, spaces.actions, **known)).train()
        state = State(model, TrainOptions(10**6, batch_size=BATCH, gradient_clip=1.0), 0, folder / "unused")
        self._step = GradientStep(state, imitate, Windows(data, CONTEXT))

    def train(self, count: int) -> None:
        """Gradient steps."""
        for _ in range(count):
            self._step()


class D3RLPy:
    """d3rlpy's DiscreteDecisionTransformer, on single frames that its own slicer stacks."""

    def __init__(self, folder: Path) -> None:
        import d3rlpy
        from d3rlpy.dataset import Episode, FrameStackTrajectorySlicer, InfiniteBuffer, ReplayBuffer
        from d3rlpy.models import PixelEncoderFactory
        from d3rlpy.optimizers import AdamWFactory

        frames, actions, rewards = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("observations", "actions", "rewards")
        )
        lengths, episodes, at = np.load(folder / "episodes.npy")["length"].tolist(), [], 0
        for number, length in enumerate(lengths):
            own = slice(at, at + length)
            shown = frames[at + number : at + number + length]  # one row more in each episode
            episodes.append(Episode(shown, actions[own, None], rewards[own, None].astype(np.float32), terminated=True))
            at += length
        self._data = ReplayBuffer(
            InfiniteBuffer(), trajectory_slicer=FrameStackTrajectorySlicer(FRAMES), episodes=episodes
        )
        self._algorithm = d3rlpy.algos.DiscreteDecisionTransformerConfig(
            batch_size=BATCH,
            context_size=CONTEXT,
            max_timestep=max(lengths) + 1,
            num_layers=LAYERS,
            num_heads=HEADS,
            activation_type="relu",
            observation_scaler=d3rlpy.preprocessing.PixelObservationScaler(),
            encoder_factory=PixelEncoderFactory(feature_size=WIDTH, exclude_last_activation=True),
            optim_factory=AdamWFactory(weight_decay=1e-4, clip_grad_norm=1.0),
        ).create(device="cpu")
        self._algorithm.create_impl((FRAMES, *frames.shape[2:]), ACTIONS)

    def train(self, count: int) -> None:
        """Gradient steps."""
        for _ in range(count):
            self._algorithm.update(self._data.sample_trajectory_batch(BATCH, CONTEXT))


CONTENDERS: dict[str, Any] = {
    "rlformer": lambda folder: Ours(folder, tokens="separate"),
    "rlformer, a token a step": lambda folder: Ours(folder, tokens="step"),
    "d3rlpy": D3RLPy,
}


if __name__ == "__main__":
    torch.manual_seed(0)
    answer_requests(lambda: CONTENDERS[sys.argv[1]](Path(sys.argv[2])))
