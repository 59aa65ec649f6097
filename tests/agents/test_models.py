"""Models: what they read and refuse, actions as numbers, dropout; and the transformer against PyTorch's own.

What holds of every backbone is in contracts/test_backbones.py.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents.sequence import dropout
from rlformer.agents.sequence.actions import ActionCodec
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.backbones import BACKBONES
from rlformer.agents.sequence.backbones.lstm import Lstm
from rlformer.agents.sequence.backbones.transformer import Transformer
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.core.spaces import ActionSpec, ObservationSpec, Part
from rlformer.data.scales import Scales
from rlformer.data.windows import Windows
from tests.support.make_sequences import MODELS, OBSERVATION, SPACES, changed, log, model, windows_for


@pytest.fixture(params=SPACES)
def actions(request: pytest.FixtureRequest) -> ActionSpec:
    """Every kind of action space."""
    return SPACES[request.param]


@pytest.mark.parametrize("encoding", ["episode", "window", "none"])
@pytest.mark.parametrize("tokens", ["separate", "step"])
@torch.no_grad()
def test_timesteps_are_read_as_they_are_encoded(encoding: str, tokens: str) -> None:
    built = model(SPACES["discrete"], timestep_encoding=encoding, tokens=tokens, context_length=4)
    window = windows_for(built)
    later = replace(window, timesteps=window.timesteps + 1)
    assert built(later).equal(built(window)) == (encoding != "episode")
    beyond = replace(window, timesteps=window.timesteps + 1000)  # later than the last encoding: shares it
    assert built(beyond).equal(built(replace(window, timesteps=window.timesteps + 7)))
    backwards = Window(*(value.flip(1) for value in vars(window).values()))
    assert not built(backwards)[:, -1].allclose(built(window)[:, -1])  # order matters


def test_an_lstm_begins_with_open_forget_gates() -> None:
    torch.manual_seed(0)
    begun = Lstm(width=3, layers=2, dropout=0.0, window=10).lstm
    torch.manual_seed(0)
    plain = nn.LSTM(3, 3, 2)
    for layer in range(2):
        bias, other = (getattr(of, f"bias_ih_l{layer}") + getattr(of, f"bias_hh_l{layer}") for of in (begun, plain))
        assert bias[3:6].sigmoid().tolist() == pytest.approx([10 / 11] * 3)
        assert bias[[0, 1, 2, *range(6, 12)]].equal(other[[0, 1, 2, *range(6, 12)]])  # as torch has them


def test_an_lstm_is_told_how_many_tokens_show_a_window() -> None:
    values = Architecture(OBSERVATION, SPACES["discrete"], "lstm", context_length=4, layers=1, width=2)
    lstm = values.kind.build(values).lstm
    assert (lstm.bias_ih_l0 + lstm.bias_hh_l0)[2:4].tolist() == pytest.approx([math.log(11)] * 2)  # no last action


@pytest.mark.parametrize(("shift", "fits"), [(6, True), (7, False), (40, False)])
def test_images_cannot_be_shifted_out_of_sight(shift: int, fits: bool) -> None:
    seen = ObservationSpec((Part("map", "image", (3, 7, 8), "uint8", peak=10.0),))
    built = Architecture(seen, SPACES["discrete"], random_shift=shift)
    if fits:
        built.check()
        return
    with pytest.raises(InputError, match=f"random_shift: {shift} pixels shift an image out of sight whose side has 7"):
        built.check()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"attention_band": 4}, "attention_band: needs one token a step: tokens must be 'step'"),
        ({"attention_band": 4, "tokens": "step", "timestep_encoding": "window"}, "must be episode or none"),
        ({"attention_band": 4, "backbone": "lstm"}, "attention_band: belongs to the transformer"),
        ({"heads": 3}, "heads: 3 do not divide the width 16"),
        ({"backbone": "mlp", "tokens": "step"}, "context_length: the mlp reads one step, got 20"),
        ({"backbone": "mlp", "context_length": 1}, "tokens: the mlp reads one token"),
    ],
)
def test_an_unusable_architecture_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        Architecture(OBSERVATION, SPACES["discrete"], **{"width": 16, **values}).check()
    assert message in str(error.value)


# --- the transformer ---


def transformer(heads: int, activation: str = "relu", rate: float = 0.0) -> Transformer:
    torch.manual_seed(0)
    built = Transformer(width=16, layers=2, heads=heads, dropout=rate, activation=activation)
    for parameter in built.parameters():
        nn.init.normal_(parameter, std=0.3)
    return built


class Reference(nn.Module):
    """The same network made of PyTorch's own layers."""

    def __init__(self, ours: Transformer, activation: str) -> None:
        super().__init__()
        self.embedding_norm, self.norm = ours.embedding_norm, ours.norm
        self.layers = nn.ModuleList()
        for block in ours.blocks:
            layer = nn.TransformerEncoderLayer(
                16, ours.heads, 64, dropout=0.0, activation=activation, batch_first=True, norm_first=True
            )
            layer.norm1, layer.norm2, layer.linear1, layer.linear2 = (
                block.attention_norm, block.inner_norm, block.expand, block.contract,
            )  # fmt: skip
            layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias = (
                block.attention.qkv.weight, block.attention.qkv.bias,
            )  # fmt: skip
            layer.self_attn.out_proj = block.attention.project
            self.layers.append(layer)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embedding_norm(tokens)
        future = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        for layer in self.layers:
            h = layer(h, src_mask=future)
        return self.norm(h)


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_transformer_and_its_gradients_are_those_of_pytorchs_layers(heads: int, activation: str) -> None:
    ours = transformer(heads, activation)
    reference = Reference(ours, activation)  # shares the parameters
    tokens, direction = torch.randn(3, 7, 16), torch.randn(3, 7, 16)
    results = []
    for network in (lambda x: ours(x, slice(None)), reference):
        inputs = tokens.clone().requires_grad_()
        ours.zero_grad()
        out = network(inputs)
        out.backward(direction)
        results.append([out.detach(), inputs.grad, *(p.grad.clone() for p in ours.parameters())])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("heads", [1, 4])
@torch.no_grad()
def test_attention_is_that_of_multihead_attention(heads: int) -> None:
    ours = transformer(heads).blocks[0].attention
    theirs = nn.MultiheadAttention(16, heads, batch_first=True)
    theirs.load_state_dict({
        "in_proj_weight": ours.qkv.weight, "in_proj_bias": ours.qkv.bias,
        "out_proj.weight": ours.project.weight, "out_proj.bias": ours.project.bias,
    })  # fmt: skip
    x = torch.randn(3, 7, 16)
    future = torch.ones(7, 7, dtype=torch.bool).triu(1)
    out, weights = theirs(x, x, x, attn_mask=future, average_attn_weights=False)
    torch.testing.assert_close(ours(x, slice(None), repeat(None), 0.0), out)
    torch.testing.assert_close(ours.weights(x, slice(None))[0].unflatten(0, (3, heads)), weights)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize(
    "rows",
    [slice(None), slice(1, None, 3), slice(4), torch.tensor([[6], [0], [3]]), torch.tensor([[2, 2], [6, 1], [0, 5]])],
)  # fmt: skip
@torch.no_grad()
def test_the_last_layer_at_the_asked_rows_is_the_whole_layer_at_them(heads: int, rows: slice | Tensor) -> None:
    ours, tokens = transformer(heads), torch.randn(3, 7, 16)
    whole = ours(tokens, slice(None))
    expected = (
        whole[:, rows] if isinstance(rows, slice) else torch.stack([w[r] for w, r in zip(whole, rows, strict=True)])
    )
    torch.testing.assert_close(ours(tokens, rows), expected)


@pytest.mark.parametrize("rows", [slice(None), slice(1, None, 3), torch.tensor([[6], [0], [3]])], ids=str)
@torch.no_grad()
def test_fused_attention_is_the_explicit_one(rows: slice | Tensor) -> None:
    ours, x = transformer(heads=2).blocks[0].attention, torch.randn(3, 7, 16)
    explicit = ours(x, rows, repeat(None), 0.0)
    torch.testing.assert_close(ours.project(ours.fused(x, rows, 0.0)), explicit)


@torch.no_grad()
def test_attention_weights_of_every_layer_are_causal_and_sum_to_one() -> None:
    weights = transformer(heads=2).attention(torch.randn(3, 7, 16))
    assert [w.shape for w in weights] == [(3, 2, 7, 7)] * 2
    for layer in weights:
        torch.testing.assert_close(layer.sum(dim=3), torch.ones(3, 2, 7))
        assert layer.triu(1).abs().max() == 0


@torch.no_grad()
def test_a_band_hides_what_lies_before_it_and_knows_the_distance() -> None:
    torch.manual_seed(0)
    ours = Transformer(16, layers=2, heads=2, dropout=0.0, activation="relu", band=3)
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.3)
    weights = ours.attention(torch.randn(3, 7, 16))
    for layer in weights:
        torch.testing.assert_close(layer.sum(dim=3), torch.ones(3, 2, 7))
        assert layer.triu(1).abs().max() == layer.tril(-3).abs().max() == 0
        assert layer.tril(-2).abs().max() > 0
    for block in ours.blocks:
        nn.init.zeros_(block.attention.qkv.weight)  # alike tokens: what is left is the distance
    expected = ours.blocks[1].attention.of_distance.softmax(dim=0).flip(0)  # (band, heads)
    torch.testing.assert_close(ours.attention(torch.randn(1, 7, 16))[1][0, :, 6, 4:], expected.T)


@torch.no_grad()
def test_a_banded_model_depends_on_as_many_steps_as_it_says() -> None:
    spec = SPACES["box"]
    built = model(spec, **MODELS["transformer-return-step-banded"])
    reach = built.architecture.reach
    assert reach == 2 * (4 - 1) + 2
    data = log(spec, (12,))
    window = Windows(data, 12).at(torch.zeros(1, dtype=torch.int64))
    before, steps = built(window)[0, -1], torch.arange(12)[None]
    torch.testing.assert_close(built(changed(window, steps < 12 - reach, spec))[0, -1], before)
    assert not torch.allclose(built(changed(window, steps <= 12 - reach, spec))[0, -1], before)


def test_a_model_that_acted_can_be_trained() -> None:
    ours = transformer(heads=2)  # what inference mode cached must not enter a graph
    with torch.inference_mode():
        ours(torch.randn(2, 9, 16), slice(0, None, 2))
    ours(torch.randn(2, 9, 16), slice(0, None, 2)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in ours.parameters())


# --- dropout ---


@pytest.mark.parametrize("rate", [1e-5, 0.1, 0.5, 0.9])
def test_masks_drop_at_the_rate_and_keep_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    masks = list(dropout.draw([(100, 1001), (3, 5, 7), (11,)], rate, torch.device("cpu")))
    assert [mask.shape for mask in masks] == [(100, 1001), (3, 5, 7), (11,)]
    assert (masks[0] == 0).float().mean() == pytest.approx(rate, abs=0.005)
    assert masks[0].mean() == pytest.approx(1.0, abs=0.03)
    assert masks[0][masks[0] > 0].unique().tolist() == [pytest.approx(1 / (1 - rate), rel=1e-3)]
    if rate > 0.01:
        rows = masks[0] - masks[0].mean()
        correlation = (rows[1:] * rows[:-1]).mean() / rows.square().mean()
        assert abs(float(correlation)) < 0.01
    assert list(dropout.draw([(2, 3), (4,)], 0.0, torch.device("cpu"))) == [0.0, 0.0]


def test_every_dropped_value_of_the_transformer_is_one_of_its_masks() -> None:
    """With all but nothing dropped, each branch is silent and the tokens pass as zeros."""
    built = transformer(heads=2, rate=0.99999).train()
    out = built(torch.randn(2, 5, 16), slice(None))
    torch.testing.assert_close(out, built.norm.bias.expand_as(out))


# --- actions ---


def test_actions_survive_encoding_and_decoding(actions: ActionSpec) -> None:
    codec = ActionCodec(actions, np.full(actions.shape, 0.5), np.full(actions.shape, 2.0))
    drawn = torch.from_numpy(actions.sample(np.random.default_rng(0), 50))
    codes = codec.encode(drawn)
    assert codes.shape == (50, codec.width)
    if actions.kind == "box":
        bounded = torch.from_numpy(np.isfinite(actions.low) & np.isfinite(actions.high))
        assert codes[:, bounded].abs().max() <= 1
        codes = torch.where(bounded, codes.clamp(-1 + 1e-6, 1 - 1e-6).atanh(), codes)
        torch.testing.assert_close(codec.greedy(codes), drawn, atol=1e-4, rtol=1e-4)
    else:
        assert codes.sum(dim=1).unique().tolist() == [codec.components]
        assert codec.greedy(codes).equal(drawn)
    assert codec.greedy(codes).numpy().dtype == actions.dtype


@pytest.mark.parametrize("bound", [50.0, 1e6, float(np.finfo(np.float32).max)])
def test_bounds_far_beyond_the_log_set_no_scale(bound: float) -> None:
    """The second dimension has a log of one number alone, the third one that uses its bounds."""
    spec = ActionSpec("box", (), (-bound, -bound, -1.0), (bound, bound, 1.0))
    low, high = np.array([-0.5, 0.2, -0.4]), np.array([1.5, 0.2, 0.5])
    codec = ActionCodec(spec, np.zeros(3), np.ones(3), log_range=(low, high))
    torch.testing.assert_close(codec.encode(torch.tensor([1.5, 0.2, 1.0])), torch.tensor([1.0, 0.0, 1.0]))
    decoded = codec.greedy(torch.tensor([[1e3, 0.0, -1e3]]))
    torch.testing.assert_close(decoded, torch.tensor([[1.5, 0.2, -1.0]]))
    near = ActionSpec("box", (), (-5.0,), (5.0,))
    assert near.within(np.array([-0.5]), np.array([0.5])) == near  # ten times the range is not far


def test_unbounded_actions_are_scaled_by_the_log_and_bounded_ones_by_their_bounds() -> None:
    codec = ActionCodec(SPACES["box-unbounded"], np.array([3.0, 9.0]), np.array([2.0, 9.0]))
    torch.testing.assert_close(codec.encode(torch.tensor([7.0, 0.5])), torch.tensor([2.0, 0.5]))
    decoded = codec.greedy(torch.tensor([[1e3, 1e3]]))
    torch.testing.assert_close(decoded, torch.tensor([[2003.0, 1.0]]))  # tanh holds the bounded one


@pytest.mark.parametrize("space", ["discrete", "multidiscrete", "multibinary"])
def test_the_loss_of_categories_is_the_sum_of_their_cross_entropies(space: str) -> None:
    codec = ActionCodec(SPACES[space])
    rng = np.random.default_rng(0)
    drawn = torch.from_numpy(SPACES[space].sample(rng, 12)).unflatten(0, (3, 4))
    predictions = torch.randn(3, 4, codec.width, requires_grad=True)
    targets = drawn[..., None] if space == "discrete" else drawn
    expected = sum(
        F.cross_entropy(logits.flatten(0, 1), targets[..., i].flatten(), reduction="none").view(3, 4)
        for i, logits in enumerate(predictions.split(list(SPACES[space].nvec), dim=-1))
    )
    losses = codec.loss(predictions, drawn)
    torch.testing.assert_close(losses, expected)
    losses.sum().backward()
    assert torch.isfinite(predictions.grad).all()


def test_the_loss_of_reals_is_the_squared_error_of_what_would_be_done() -> None:
    codec = ActionCodec(SPACES["box"])
    predictions, drawn = torch.randn(5, 2), torch.from_numpy(SPACES["box"].sample(np.random.default_rng(0), 5))
    error = (codec.greedy(predictions) - drawn) / torch.tensor([1.0, 3.0])  # in half widths of the bounds
    torch.testing.assert_close(codec.loss(predictions, drawn), error.square().mean(dim=1))


def test_the_loss_of_the_gaussian_head_is_the_density_around_what_would_be_done() -> None:
    codec = ActionCodec(SPACES["box"], head="gaussian")
    predictions, drawn = (
        torch.randn(5, 4).clamp(-2, 2),
        torch.from_numpy(SPACES["box"].sample(np.random.default_rng(0), 5)),
    )
    deviation = predictions[:, 2:].exp() * torch.tensor([1.0, 3.0])  # in half widths of the bounds, as the density is
    expected = torch.distributions.Normal(codec.greedy(predictions), deviation).log_prob(drawn)
    torch.testing.assert_close(codec.loss(predictions, drawn), -(expected + torch.tensor([1.0, 3.0]).log()).mean(dim=1))


def test_actions_of_the_gaussian_head_are_drawn_around_the_greedy_one_and_clipped() -> None:
    codec, count = ActionCodec(SPACES["box-unbounded"], head="gaussian"), 20_000
    predictions = torch.tensor([2.0, 0.5, math.log(0.7), math.log(0.4)]).expand(count, -1)
    drawn = codec.sample(predictions, torch.rand(count, 2, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(drawn[:, 0].mean(), codec.greedy(predictions)[0, 0], atol=0.02, rtol=0)
    torch.testing.assert_close(drawn[:, 0].std(), torch.tensor(0.7), atol=0.02, rtol=0)
    torch.testing.assert_close(drawn[:, 1].median(), codec.greedy(predictions)[0, 1], atol=0.02, rtol=0)
    assert drawn[:, 1].max() == 1.0  # its bound
    assert codec.sample(predictions[:2], torch.tensor([[0.0, 0.0], [1 - 2**-24] * 2])).isfinite().all()


@pytest.mark.parametrize("space", ["discrete", "multidiscrete", "multibinary"])
def test_sampled_actions_have_the_probabilities_of_the_softmax(space: str) -> None:
    codec, count = ActionCodec(SPACES[space]), 20_000
    predictions = torch.randn(codec.width, generator=torch.Generator().manual_seed(0)).expand(count, -1)
    uniform = torch.rand(count, codec.components, generator=torch.Generator().manual_seed(1))
    shares = codec.encode(codec.sample(predictions, uniform)).mean(dim=0)
    parts = predictions[0].split(list(SPACES[space].nvec))
    torch.testing.assert_close(shares, torch.cat([part.softmax(dim=0) for part in parts]), atol=0.015, rtol=0)


def test_the_ends_of_the_unit_interval_draw_possible_actions() -> None:
    codec = ActionCodec(SPACES["multidiscrete"])  # of 2, 4 and 3 levels
    never, always = -1e9, 0.0
    predictions = torch.tensor([[never, always, never, always, always, never, always, always, always]])
    low, high = codec.sample(predictions, torch.zeros(1, 3)), codec.sample(predictions, torch.full((1, 3), 1 - 2**-24))
    assert low.tolist() == [[1, 1, 0]]
    assert high.tolist() == [[1, 2, 2]]
    even = ActionCodec(ActionSpec("discrete", (41,)))  # whose probabilities, summed in float32, end under 1
    assert even.sample(torch.zeros(1, 41), torch.full((1, 1), 1 - 2**-24)).tolist() == [40]


def test_scales_are_applied_to_what_the_model_reads() -> None:
    scales = Scales(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 8.0]), return_scale=5.0)
    architecture = Architecture(OBSERVATION, SPACES["discrete"], context_length=4, width=16, heads=2)
    torch.manual_seed(0)
    raw, scaled = TrajectoryModel(architecture).eval(), TrajectoryModel(architecture, scales).eval()
    for ours, theirs in zip(scaled.parameters(), raw.parameters(), strict=True):
        ours.data.copy_(theirs)
    window = windows_for(raw)
    divided = replace(
        window,
        observations=((window.observations - torch.tensor([1.0, 2.0, 3.0])) / torch.tensor([2.0, 4.0, 8.0])),
        returns_to_go=window.returns_to_go / 5.0,
    )
    torch.testing.assert_close(scaled(window), raw(divided))


@pytest.mark.parametrize("backbone", ["transformer", "conv", "transformer-xl", "encoder-decoder"])
def test_without_residual_connections_each_block_keeps_the_size_of_what_it_reads(backbone: str) -> None:
    """GPT-2's weights suit a sum that begins with the tokens; alone they would leave a hundredth of it."""
    torch.manual_seed(0)
    small = {"width": 32, "layers": 8, "heads": 2, "dropout": 0.0}
    alone = BACKBONES[backbone].build(Architecture(OBSERVATION, SPACES["discrete"], backbone, residual=False, **small))
    sizes: list[float] = []

    def size(layer: int, first: int, h: Tensor) -> Tensor:
        sizes.append(float(h.detach().std()))
        return h

    alone.walk(torch.randn(64, 6, 32), size)
    assert len(sizes) == 8
    assert all(0.5 < found < 2.0 for found in sizes), sizes
