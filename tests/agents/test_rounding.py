"""Rows come out the same, bit for bit, however many are computed side by side, whatever the kernels do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents import rounding

COUNTS = (1, 2, 3, 5, 9, 16, 17, 29, 64, 257)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """The kernels of products, and so their rounding, depend on them too."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def same_whatever_the_count(work: rounding.Work, *inputs: Tensor) -> bool:
    """Whether the first rows come out the same for every count, wherever they stand."""
    alike = rounding.Alike()

    def found(count: int, backwards: bool) -> Tensor:
        part = [x[:count].flip(0) if backwards else x[:count] for x in inputs]
        with alike(count), torch.inference_mode():
            out = work(*part)
        return out.flip(0) if backwards else out

    whole = found(COUNTS[-1], False)
    results = [(count, found(count, backwards)) for count in COUNTS for backwards in (False, True, False)]
    return all(torch.equal(result, whole[:count]) for count, result in results)


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("outputs", [1, 2, 3, 64])
@pytest.mark.parametrize("inputs", [1, 3, 64, 256])
def test_rows_of_a_product(inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(outputs, inputs), torch.randn(outputs), torch.randn(COUNTS[-1], inputs)
    assert same_whatever_the_count(lambda rows: rounding.linear(rows, weight, bias), x)
    assert same_whatever_the_count(lambda rows: rounding.linear(rows, weight), x)
    assert same_whatever_the_count(lambda rows: rounding.linear(rows[:, None].expand(-1, 3, -1), weight, bias), x)
    with rounding.Alike()(len(x)):
        torch.testing.assert_close(rounding.linear(x, weight, bias), F.linear(x, weight, bias), atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 2), (64, 192), (256, 64)])
def test_a_product_into_memory_is_that_same_product(inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(outputs, inputs), torch.randn(outputs), torch.randn(COUNTS[-1], inputs)
    before = torch.randn(COUNTS[-1], outputs)

    def added(rows: Tensor, onto: Tensor) -> Tensor:
        target = torch.empty(len(rows), outputs)
        rounding.Product(weight, bias, target).put(rows, onto)
        return target

    def put(rows: Tensor) -> Tensor:
        target = torch.full((len(rows), outputs), torch.nan)
        rounding.Product(weight, bias, target).put(rows)
        return target

    assert same_whatever_the_count(put, x)
    assert same_whatever_the_count(added, x, before)
    with rounding.Alike()(len(x)):
        assert torch.equal(put(x), rounding.linear(x, weight, bias))
    torch.testing.assert_close(added(x, before), before + F.linear(x, weight, bias), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "layer", [nn.Tanh(), nn.Sigmoid(), nn.GELU(approximate="tanh"), nn.Softplus(), nn.LayerNorm(7)], ids=repr
)
def test_rows_of_what_lies_between_products(layer: nn.Module) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 7), layer, nn.Sequential(nn.Linear(7, 1)))
    assert same_whatever_the_count(lambda x: rounding.chain(network, x), torch.randn(COUNTS[-1], 5))


def of_count(x: Tensor) -> Tensor:
    """As a kernel that takes another way for few rows and for rows left over."""
    return x * (1.0 if len(x) in (1, 16, 32) else 1 + 2**-20)


def of_place(x: Tensor) -> Tensor:
    """As one whose last row takes another way."""
    return torch.cat([x[:-1], x[-1:] * (1 if len(x) == 1 else 1 + 2**-20)])


@pytest.mark.parametrize("work", [of_count, of_place])
def test_any_work_that_is_not_alike_is_done_in_parts_that_are(work: rounding.Work) -> None:
    x = torch.randn(COUNTS[-1], 4, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(work(x), x)
    assert same_whatever_the_count(lambda rows: rounding.rowwise(work.__name__, work, rows), x)
    with rounding.Alike()(len(x)):
        assert torch.equal(rounding.rowwise(work.__name__, work, x), x)


def test_where_it_is_not_asked_for_all_rows_are_given_at_once() -> None:
    given: list[int] = []

    def work(x: Tensor) -> Tensor:
        given.append(len(x))
        return of_place(x)

    rounding.rowwise("not asked for", work, torch.zeros(5, 2))
    assert given == [5]


def test_trials_leave_everybodys_random_numbers_alone() -> None:
    lstm, x = nn.LSTM(3, 3, batch_first=True), torch.zeros(7, 2, 3)
    torch.manual_seed(3)
    with rounding.Alike()(7):
        rounding.rowwise(
            "recurrent", lambda rows: lstm(rows)[0], x, trial=lambda: lambda rows: rounding.random_copy(lstm)(rows)[0]
        )
        rounding.linear(torch.zeros(7, 21), torch.zeros(5, 21))
    found = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(found, torch.rand(4))
