"""Sparse rows give what the same rows give dense."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from mlc.backbones.base import BACKBONES
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData, SparseRows
from mlc.heads.base import HEADS
from mlc.layers import bags as bags_module
from mlc.layers.bags import Bags
from mlc.layers.linear import StackedLinear
from mlc.layers.streams import Streams
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS
from mlc.training.steps import PlainStep

RNG = np.random.default_rng(0)
N, D = 24, 30
# Rows 0 and 5 are empty; nobody has column 7; some values are missing.
VALUES = np.where(RNG.random((N, D)) < 0.15, RNG.normal(size=(N, D)), 0).astype(np.float32)
VALUES[[0, 5]] = 0
VALUES[:, 7] = 0
VALUES[3, 2] = np.nan
CPU = torch.device("cpu")


def trained(
    backbone: str, n_labels: int, seeds: list[int], size: int, keep_sparse: bool, optimizer: str
) -> dict[str, torch.Tensor]:
    dataset = Dataset(
        "made",
        csr_matrix(VALUES),
        RNG.permutation(N)[:, None] * np.arange(1, n_labels + 1) % 3 == 0,
        tuple(map(str, range(D))),
        tuple("abc"[:n_labels]),
        np.ones(D, dtype=bool),
    )
    scalings = [fit_scaling(dataset, np.arange(12 + seed)) for seed in seeds]
    data = ResidentData(
        dataset.features, dataset.targets, scalings, CPU, torch.float64, keep_sparse=keep_sparse
    )
    # A bias before batch normalisation has gradient 0, whose rounding AdamW would magnify.
    shape = {} if backbone == "linear" else {"widths": [6], "normalization": "layer"}
    options = [BACKBONES.options(backbone, **shape)] * len(seeds)
    network = BACKBONES[backbone](D, options, seeds)
    head = HEADS["sigmoid"](network.n_outputs, n_labels, HEADS.options("sigmoid"), seeds)
    model = Model(network, head).double()
    rates = [
        OPTIMIZERS.options(optimizer, lr=0.01 * (1 + seed), weight_decay=0.1) for seed in seeds
    ]
    step = PlainStep(model, data, OPTIMIZERS[optimizer](list(model.parameters()), rates))
    draw = torch.Generator().manual_seed(0)
    for number in range(6):
        rows = torch.stack([torch.randperm(N, generator=draw)[:size] for _ in seeds])
        assert isinstance(data.batch(rows).features, Bags) == keep_sparse
        step.optimizer.plan([number / 6])
        step.optimizer.advance(0)
        step(rows, None)
    outputs = torch.cat(
        [found for found, *_ in model.outputs(data, data.rows([np.arange(N)] * len(seeds)))], 1
    )
    return {**model.state_dict(), "outputs": outputs}


@pytest.mark.parametrize("backbone", ["mlp", "linear"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(
    ("n_labels", "seeds", "size"), [(3, [0, 1, 4], 8), (1, [0], 24), (1, [2], 2)]
)
def test_sparse_rows_train_as_dense_ones(
    monkeypatch: pytest.MonkeyPatch,
    backbone: str,
    optimizer: str,
    n_labels: int,
    seeds: list[int],
    size: int,
) -> None:
    found = []
    for keep_sparse in (False, True):
        monkeypatch.setitem(globals(), "RNG", np.random.default_rng(1))
        found.append(trained(backbone, n_labels, seeds, size, keep_sparse, optimizer))
    for name, expected in found[0].items():
        torch.testing.assert_close(found[1][name], expected, rtol=1e-10, atol=1e-10, msg=name)


def test_no_dense_batch_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bags, "dense", lambda self: pytest.fail("made dense"))
    trained("mlp", 2, [0, 1], 8, True, "adamw")


def test_an_entry_less_batch_is_the_bias() -> None:
    dataset = Dataset(
        "none",
        csr_matrix((2, D), dtype=np.float32),
        np.ones((2, 1), bool),
        tuple(map(str, range(D))),
        ("a",),
        np.ones(D, bool),
    )
    data = ResidentData(
        dataset.features,
        dataset.targets,
        [fit_scaling(dataset, np.arange(2))],
        CPU,
        keep_sparse=True,
    )
    layer = BACKBONES["mlp"](D, [BACKBONES.options("mlp", widths=[4])], [0]).layers[0]
    out = layer(data.batch(torch.arange(2)[None]).features)
    torch.testing.assert_close(out, layer.bias.expand(1, 2, 4))
    out.sum().backward()
    assert not layer.weight.grad.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_of_sparse_rows_has_the_same_bits_by_scipy_and_by_torch(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    draw = torch.Generator().manual_seed(0)
    columns = torch.rand(3 * 16, 40, generator=draw).argsort(1)[:, :5].sort().values
    bag = torch.arange(3 * 16).repeat_interleave(5)
    kept = torch.rand(len(bag), generator=draw) < 0.7
    kept[:10] = False  # Two empty rows.
    bag, column = bag[kept], columns.flatten()[kept]
    value = torch.randn(len(bag), dtype=dtype, generator=draw)
    offsets = torch.searchsorted(bag, torch.arange(3 * 16))
    bags = Bags(bag // 16, bag, column, value, offsets, (3, 16, 40))
    layer = StackedLinear(40, 7, Streams([0, 1, 2], "initialisation")).to(dtype)
    weights = torch.randn(3, 16, 7, dtype=dtype, generator=draw)
    found = []
    for is_plain in (True, False):
        monkeypatch.setattr(bags_module, "is_plain", lambda tensor, is_plain=is_plain: is_plain)
        layer.zero_grad()
        (layer(bags) * weights).sum().backward()
        assert layer.weight.grad is not None
        found.append(layer.weight.grad)
    dense = torch.autograd.grad((layer(bags.dense()) * weights).sum(), layer.weight)[0]
    assert torch.equal(*found)
    torch.testing.assert_close(found[0], dense)


@pytest.mark.parametrize("bags", [True, False])
@pytest.mark.parametrize("is_masked", [True, False])
def test_rows_are_gathered_alike_by_scipy_and_by_indexing(bags: bool, is_masked: bool) -> None:
    matrix = csr_matrix(np.round(np.nan_to_num(VALUES) * 4))
    used = RNG.random((2, D)) < 0.8 if is_masked else None
    scale = RNG.integers(1, 5, size=(2, D))
    index = torch.tensor([[0, 3, 3, 8], [5, 23, 0, 1]])
    # SciPy has no half precision, in which these numbers are exact.
    indexed, gathered = (
        SparseRows(matrix, CPU, dtype, bags, used, scale)[index]
        for dtype in (torch.float16, torch.float32)
    )
    if not isinstance(gathered, Bags) or not isinstance(indexed, Bags):
        assert not bags
        assert torch.equal(indexed.float(), gathered)
        factors = scale if used is None else scale * used
        expected = matrix.toarray()[index.numpy()] * factors[:, None]
        assert torch.equal(gathered, torch.as_tensor(expected, dtype=torch.float32))
        return
    assert gathered.shape == (2, 4, D)
    for name in ("run", "bag", "column", "value", "offsets"):
        assert torch.equal(
            getattr(indexed, name).to(getattr(gathered, name)), getattr(gathered, name)
        )


@pytest.mark.parametrize("is_sorted", [True, False])
def test_second_derivatives_are_those_of_dense_rows(is_sorted: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    bag, column = (torch.rand(2 * 3, 5, generator=draw) < 0.5).nonzero(as_tuple=True)
    value = torch.randn(len(bag), dtype=torch.float64, generator=draw)
    offsets = torch.searchsorted(bag, torch.arange(2 * 3))
    bags = Bags(bag // 3, bag, column, value, offsets, (2, 3, 5))
    layer = StackedLinear(5, 4, Streams([0, 1], "initialisation")).double()
    found = []
    for rows in (bags.with_columns_sorted() if is_sorted else bags, bags.dense()):
        weight = layer.weight
        loss = layer(rows).square().sum()
        (slope,) = torch.autograd.grad(loss, weight, create_graph=True)
        # The loss beside the penalty has another path to the weights.
        found.append(torch.autograd.grad(loss + slope.square().sum(), weight)[0])
    torch.testing.assert_close(*found)
