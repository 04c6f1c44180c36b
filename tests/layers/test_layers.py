"""Stacked layers against the layers of torch.nn, run by run."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlc.layers import (
    CountedBits,
    StackedBatchNorm,
    StackedBlockLinear,
    StackedDropout,
    StackedLayerNorm,
    StackedLinear,
    Streams,
)

SEEDS = (3, 1, 4)


def inputs(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(3, 8, 5, generator=torch.Generator().manual_seed(0), dtype=dtype)


def test_linear_agrees_with_torch_for_each_run() -> None:
    layer = StackedLinear(5, 2, Streams(SEEDS, "weights")).double()
    x = inputs()
    for run in range(3):
        expected = nn.functional.linear(x[run], layer.weight[run].T, layer.bias[run, 0])
        torch.testing.assert_close(layer(x)[run], expected)


def test_a_compiled_linear_layer_has_the_dtype_of_autocast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = StackedLinear(5, 2, Streams(SEEDS, "weights"))
    x = inputs(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = layer(x)
        for name in ("is_compiling", "is_dynamo_compiling"):
            monkeypatch.setattr(torch.compiler, name, lambda: True)
        compiled = layer(x)
    assert compiled.dtype == plain.dtype == torch.bfloat16
    torch.testing.assert_close(compiled, plain, rtol=0, atol=0.03)


def test_linear_starts_in_the_range_of_torch() -> None:
    weight = StackedLinear(100, 400, Streams(SEEDS, "weights")).weight
    assert weight.abs().max() <= 0.1
    assert weight.abs().max() > 0.0999
    assert abs(weight.mean()) < 0.001


def test_layer_norm_agrees_with_torch() -> None:
    layer = StackedLayerNorm(5, 3).double()
    x = inputs()
    torch.testing.assert_close(layer(x), nn.LayerNorm(5).double()(x))


def test_batch_norm_agrees_with_torch_in_training_and_evaluation() -> None:
    layer = StackedBatchNorm(5, 3).double()
    references = [nn.BatchNorm1d(5).double() for _ in range(3)]
    for step in range(3):
        x = inputs() * (step + 1) + step
        expected = torch.stack([reference(x[run]) for run, reference in enumerate(references)])
        torch.testing.assert_close(layer(x), expected)
    layer.eval()
    for run, reference in enumerate(references):
        torch.testing.assert_close(layer(inputs())[run], reference.eval()(inputs()[run]))


def test_batch_norm_of_one_row_uses_the_running_statistics() -> None:
    layer = StackedBatchNorm(5, 3).double()
    x = inputs()[:, :1]
    torch.testing.assert_close(layer(x), x / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize("training", [False, True])
def test_layers_of_no_rows_have_no_rows(training: bool) -> None:
    nothing = inputs()[:, :0]
    norm = StackedBatchNorm(5, 3).double().train(training)
    assert norm(nothing).shape == (3, 0, 5)
    assert torch.equal(norm.running_mean, torch.zeros(3, 1, 5, dtype=torch.float64))
    blocks = StackedBlockLinear(2, 5, 4, Streams(SEEDS, "layer")).double()
    assert blocks(nothing).shape == (3, 0, 8)


def test_dropout_has_each_runs_own_rate_and_keeps_the_mean() -> None:
    layer = StackedDropout([0.0, 0.25, 0.9], SEEDS, "dropout")
    x = torch.ones(3, 400, 100)
    dropped = layer(x)
    torch.testing.assert_close(
        (dropped == 0).float().mean(dim=(1, 2)), torch.tensor([0, 0.25, 0.9]), atol=0.01, rtol=0
    )
    torch.testing.assert_close(dropped.mean(dim=(1, 2)), torch.ones(3), atol=0.05, rtol=0)
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("seeds", [[7], [7, 8], [9, 7, 8]])
def test_streams_depend_only_on_the_runs_seed(seeds: list[int]) -> None:
    index = seeds.index(7)
    together, alone = Streams(seeds, "a"), Streams([7], "a")
    assert torch.equal(together.uniform(4)[index], alone.uniform(4)[0])
    assert torch.equal(together.permutations(9)[index], alone.permutations(9)[0])
    bits, bits_alone = CountedBits(seeds, "a"), CountedBits([7], "a")
    for n in (5, 2):
        assert torch.equal(bits.words(n)[index], bits_alone.words(n)[0])


def test_streams_of_other_purposes_and_seeds_differ() -> None:
    assert not torch.equal(Streams([7], "a").uniform(4), Streams([7], "b").uniform(4))
    assert not torch.equal(Streams([7], "a").uniform(4), Streams([8], "a").uniform(4))
    assert not torch.equal(CountedBits([7], "a").words(4), CountedBits([7], "b").words(4))


def test_bits_agree_with_splitmix64() -> None:
    bits = CountedBits([0], "a")
    bits._start.fill_(1234567)
    drawn = [word % 2**64 for n in (2, 3) for word in bits.words(n)[0].tolist()]
    # The first numbers of the reference implementation, seeded with 1234567.
    assert drawn == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
