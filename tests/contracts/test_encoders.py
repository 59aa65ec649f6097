"""What holds of every encoder in the registry, for every kind of part that it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rlformer.agents import cards as agent_cards
from rlformer.agents.base import Task
from rlformer.agents.sequence import encoders
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.encoders import ENCODERS, encoder_of
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.objectives.imitation import imitate
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.agents.sequence.work import window as work_of_window
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.core.spaces import ObservationSpec, Part, Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.scales import measure
from rlformer.data.windows import Windows
from tests.support.make_sequences import SPACES, Journal, episode

WIDTH = 16
SHAPES = {"vector": (5,), "category": (4,), "image": (3, 38, 36)}
DTYPES = {"vector": ("float32", "uint8", "int64", "float64"), "category": ("float32",), "image": ("uint8", "float32")}
PARTS = [
    pytest.param(
        name,
        Part("x", kind, SHAPES[kind], dtype, peak=255.0 if kind == "image" else 1.0),  # type: ignore[arg-type]
        id=f"{name}-{kind}-{dtype}",
    )
    for name, encoder in ENCODERS.items()
    for kind in sorted(encoder.takes)
    for dtype in DTYPES[kind]
]
every_part = pytest.mark.parametrize(("name", "part"), PARTS)


def numbers(part: Part, rng: np.random.Generator, *lead: int) -> np.ndarray:
    """Random numbers of the part, (*lead, *part), in its own dtype."""
    drawn = 40 * rng.standard_normal((*lead, *part.shape)) + 100
    return drawn.clip(0, 255).astype(part.dtype)


def moments(part: Part) -> tuple[Tensor, Tensor]:
    return torch.full(part.shape, 100.0), torch.full(part.shape, 40.0)


def built(name: str, part: Part) -> torch.nn.Module:
    torch.manual_seed(0)
    return ENCODERS[name].build(part, WIDTH).eval()


def log(part: Part, lengths: tuple[int, ...] = (7, 1, 12, 3, 5)) -> Dataset:
    """Random episodes whose observations are this part, in its own dtype."""
    rng, spec = np.random.default_rng(0), SPACES["discrete"]
    info = DatasetInfo("Nowhere-v0", Spaces(ObservationSpec((part,)), spec))
    episodes = [replace(episode(spec, n, rng), observations=numbers(part, rng, n + 1)) for n in lengths]
    made = from_episodes(info, episodes)
    return replace(made, observations=np.concatenate([e.observations for e in episodes]))


@every_part
@torch.no_grad()
def test_each_observation_is_encoded_alone(name: str, part: Part) -> None:
    assert ENCODERS[name].name == name
    encoder, rng = built(name, part), np.random.default_rng(0)
    x = torch.from_numpy(numbers(part, rng, 2, 3)).float()
    tokens = encoder(x, *moments(part))
    assert tokens.shape == (2, 3, WIDTH)
    assert tokens.dtype == torch.float32
    other = x.clone()
    other[1, 2] += 7
    again = encoder(other, *moments(part))
    torch.testing.assert_close(again[0], tokens[0])
    torch.testing.assert_close(again[1, :2], tokens[1, :2])
    assert not again[1, 2].allclose(tokens[1, 2])


@every_part
def test_every_number_is_read(name: str, part: Part) -> None:
    x = torch.from_numpy(numbers(part, np.random.default_rng(0), 4, 3)).float().requires_grad_()
    built(name, part)(x, *moments(part)).square().sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(dim=(0, 1)) > 0).float().mean() > 0.9  # a few may fall where a unit is silent


@every_part
def test_it_costs_what_torch_counts(name: str, part: Part) -> None:
    encoder = built(name, part)
    x = torch.from_numpy(numbers(part, np.random.default_rng(0), 2, 3)).float()  # data: no gradient is asked for
    with FlopCounterMode(display=False) as counter:
        out = encoder(x, *moments(part))
    work = ENCODERS[name].work(part, WIDTH) * 6
    assert counter.get_total_flops() == work.forward
    with FlopCounterMode(display=False) as counter:
        out.sum().backward()
    assert counter.get_total_flops() == work.backward


@every_part
def test_a_model_reads_every_dtype_as_the_same_numbers(name: str, part: Part) -> None:
    data = log(part)
    assert data.observations.dtype == part.dtype
    architecture = Architecture(
        ObservationSpec((part,)), SPACES["discrete"], width=WIDTH, heads=2, context_length=4, encoder=name
    )
    torch.manual_seed(0)
    model = TrajectoryModel(architecture, measure(data)).eval()
    window = Windows(data, 4).at(torch.arange(data.num_steps))
    assert str(window.observations.dtype) == f"torch.{part.dtype}"
    as_floats = replace(window, observations=window.observations.float())
    with torch.no_grad():
        torch.testing.assert_close(model(window), model(as_floats), rtol=0, atol=0)
    again = TrajectoryModel(Architecture.from_dict(architecture.to_dict()))
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again.eval()(window), model(window), rtol=0, atol=0)
    with FlopCounterMode(display=False) as counter:
        imitate(model, window)[0].sum().backward()
    assert counter.get_total_flops() == work_of_window(architecture).training * data.num_steps


@every_part
def test_a_model_acts_on_it_as_it_was_trained(name: str, part: Part, tmp_path: Path) -> None:
    values = {
        "encoder": name,
        "gradient_steps": 3,
        "width": WIDTH,
        "heads": 2,
        "batch_size": 4,
        "layers": 1,
        "context_length": 4,
    }
    learner, data = SequenceLearner(), log(part)
    learner.fit(Task(None, data, {**agent_cards.agent("dt").defaults, **values}, seed=0), Journal(tmp_path))
    model, whole = learner.model, data[2]
    assert model is not None
    policy = SequencePolicy(model, whole.episode_return)
    for t in range(5):
        action = policy.act(whole.observations[t : t + 1])
        steps = slice(max(0, t - 3), t + 1)
        togo = whole.episode_return - np.concatenate([[0.0], np.cumsum(whole.rewards)])[steps]
        window = Window(
            torch.from_numpy(whole.observations[steps])[None],
            torch.from_numpy(whole.actions[steps])[None],
            torch.tensor(togo, dtype=torch.float32)[None],
            torch.arange(t + 1)[steps][None],
            torch.ones(1, min(t + 1, 4), dtype=torch.bool),
        )
        with torch.no_grad():
            assert action[0] == model.codec.greedy(model(window)[0, -1])
        policy.observe(whole.actions[t : t + 1], whole.rewards[t : t + 1])


def test_parts_of_a_flat_observation_are_read_as_one() -> None:
    spec = ObservationSpec((Part("speed", "vector", (3,)), Part("gear", "category", (4,))))
    (part,) = encoders.joined(spec)
    assert (part.kind, part.shape) == ("vector", (7,))
    assert encoders.work(spec, WIDTH) == encoder_of(part).work(part, WIDTH)


def test_parts_that_need_encoders_of_their_own_are_summed() -> None:
    spec = ObservationSpec((Part("speed", "vector", (3,)), Part("grid", "vector", (2, 2))))
    torch.manual_seed(0)
    both = encoders.build(spec, WIDTH)
    x, mean, std = torch.randn(2, 5, 7), torch.randn(7), torch.rand(7) + 0.5
    first, second = both.encoders
    expected = first(x[..., :3], mean[:3], std[:3]) + second(
        x[..., 3:].unflatten(-1, (2, 2)), mean[3:].view(2, 2), std[3:].view(2, 2)
    )
    torch.testing.assert_close(both(x, mean, std), expected)
    assert encoders.work(spec, WIDTH).forward == 2 * 7 * WIDTH


def test_a_part_that_no_encoder_takes_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "ENCODERS", {"vector": ENCODERS["vector"]})
    spec = ObservationSpec((Part("camera", "image", (3, 8, 8), "uint8"),))
    with pytest.raises(InputError) as error:
        Architecture(spec, SPACES["discrete"]).check()
    assert str(error.value) == (
        "no encoder reads the image 'camera' of the observation (vector takes category, vector)"
    )


IMAGE, MAP = (Part("eye", "image", shape, "uint8", peak=255.0) for shape in ((4, 84, 84), (3, 7, 7)))


def test_images_are_read_by_what_is_made_for_their_size() -> None:
    assert [encoder_of(part).name for part in (IMAGE, MAP)] == ["cnn", "small-cnn"]
    assert encoder_of(IMAGE, "small-cnn").name == "small-cnn"
    assert encoder_of(Part("speed", "vector", (3,)), "cnn").name == "vector"
    with pytest.raises(InputError, match=r"^encoder: cnn reads images of 36 pixels at least .* 'eye' has 7 x 7$"):
        Architecture(ObservationSpec((MAP,)), SPACES["discrete"], encoder="cnn").check()
    with pytest.raises(InputError, match=r"^encoder: one of auto, .*, got 'resnet'"):
        Architecture(ObservationSpec((MAP,)), SPACES["discrete"], encoder="resnet").check()


def test_the_cnn_is_that_of_mnih_et_al() -> None:
    """Its layers give 32 x 20 x 20, 64 x 9 x 9 and 64 x 7 x 7 numbers of an image of 84 x 84."""
    built = encoders.build(ObservationSpec((IMAGE,)), WIDTH)
    weights = [tuple(p.shape) for name, p in built.named_parameters() if name.endswith("weight")]
    assert weights == [(32, 4, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (WIDTH, 3136)]


def test_parts_of_a_dict_with_an_image_are_read_by_their_own() -> None:
    spec = ObservationSpec((Part("direction", "category", (4,), "uint8"), MAP))
    torch.manual_seed(0)
    both = encoders.build(spec, WIDTH)
    x = torch.randint(0, 11, (2, 5, spec.size), dtype=torch.uint8)
    mean, std = torch.zeros(spec.size), torch.ones(spec.size)
    vector, image = both.encoders
    expected = vector(x[..., :4], mean[:4], std[:4]) + image(x[..., 4:], mean[4:], std[4:])
    torch.testing.assert_close(both(x, mean, std), expected)
    assert encoders.work(spec, WIDTH).forward > 2 * (4 + 1024) * WIDTH


def test_a_window_is_shifted_as_one_and_only_in_training() -> None:
    torch.manual_seed(0)
    encoder = encoders.build(ObservationSpec((MAP,)), WIDTH, random_shift=2)
    still = torch.randint(0, 256, (1, 1, 3, 7, 7), dtype=torch.uint8).expand(1, 5, 3, 7, 7)
    moments = torch.zeros(3, 7, 7), torch.ones(3, 7, 7)
    plain = encoder.eval()(still, *moments)
    torch.testing.assert_close(encoder.eval()(still, *moments), plain, rtol=0, atol=0)
    seen = {tuple(encoder.train()(still, *moments)[0, 0].tolist()) for _ in range(60)}
    assert 5 < len(seen) <= 25  # shifts down and across
    shifted = encoder(still, *moments)
    torch.testing.assert_close(shifted[:, :1].expand_as(shifted), shifted)
