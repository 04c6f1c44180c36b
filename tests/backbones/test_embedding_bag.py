"""Bags of words: their means, their sparse gradients, and the optimisers' steps on those."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_sparse

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.training.stacked import OPTIMIZERS

N, V, D, SEEDS = 12, 9, 4, [3, 5]


@pytest.fixture
def dataset() -> Dataset:
    features = random_sparse(N, V, 0.4, format="lil", random_state=0).astype(np.float32)
    features[0] = 0  # A text without a known word.
    targets = np.random.default_rng(0).random((N, 3)) < 0.5
    names = tuple(map(str, range(V)))
    return Dataset(
        "bags", csr_matrix(features), targets, names, ("a", "b", "c"), np.ones(V, dtype=bool)
    )


def resident(dataset: Dataset) -> ResidentData:
    scalings = [fit_scaling(dataset, np.arange(N))] * len(SEEDS)
    return ResidentData(
        dataset.features, dataset.targets, scalings, torch.device("cpu"), torch.float64, bags=True
    )


def backbone() -> torch.nn.Module:
    options = BACKBONES.options("embedding_bag", width=D)
    return BACKBONES["embedding_bag"](V, [options] * len(SEEDS), SEEDS).double()


def test_means_and_gradients_equal_the_dense_product(dataset: Dataset) -> None:
    network, data = backbone(), resident(dataset)
    index = torch.stack([torch.randperm(N)[:7], torch.randperm(N)[:7]])
    means = network(data.batch(index).features)
    rows = torch.as_tensor(dataset.features.toarray(), dtype=torch.float64)[index]
    shares = rows / rows.sum(-1, keepdim=True).clamp(min=1e-30)
    vectors = network.vectors.detach().clone().requires_grad_()
    expected = shares @ vectors
    torch.testing.assert_close(means, expected)
    weights = torch.randn_like(means)
    (means * weights).sum().backward()
    (expected * weights).sum().backward()
    assert network.vectors.grad.is_sparse
    torch.testing.assert_close(network.vectors.grad.to_dense(), vectors.grad)


def test_dense_rows_are_refused(dataset: Dataset) -> None:
    dense = Dataset(**{**vars(dataset), "features": dataset.features.toarray()})
    with pytest.raises(ConfigError, match="backbone=embedding_bag needs sparse rows"):
        resident(dense)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(
    ("name", "options", "reference"),
    [
        ("sgd", {"momentum": 0.0}, torch.optim.SGD),
        ("adagrad", {}, torch.optim.Adagrad),
        # It adds eps before the correction for the moments' start, not after.
        ("adam", {"eps": 1e-30}, torch.optim.SparseAdam),
    ],
)
def test_steps_on_sparse_gradients_equal_torchs(
    name: str, options: dict[str, float], reference: type
) -> None:
    rates = [0.1, 0.03]
    start = torch.randn(2, V, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = torch.nn.Parameter(start.clone())
    optimizer = OPTIMIZERS[name](
        [ours], [OPTIMIZERS.options(name, lr=rate, **options) for rate in rates]
    )
    twins = [torch.nn.Parameter(start[run].clone()) for run in range(2)]
    eps = {"sgd": {}, "adagrad": {"eps": 1e-10}, "adam": {"eps": 1e-30}}[name]
    theirs = [reference([twin], lr=rate, **eps) for twin, rate in zip(twins, rates, strict=True)]
    draw = torch.Generator().manual_seed(1)
    for _ in range(5):
        # A word may be in several texts.
        places = torch.randint(V, (2, 6), generator=draw)
        values = torch.randn(2, 6, D, dtype=torch.float64, generator=draw)
        runs = torch.arange(2).repeat_interleave(6)
        ours.grad = torch.sparse_coo_tensor(
            torch.stack([runs, places.flatten()]),
            values.view(-1, D),
            (2, V, D),
            check_invariants=True,
        )
        for run in range(2):
            twins[run].grad = torch.sparse_coo_tensor(
                places[run][None], values[run], (V, D), check_invariants=True
            )
            theirs[run].step()
        optimizer.step()
    torch.testing.assert_close(ours.detach(), torch.stack([twin.detach() for twin in twins]))
