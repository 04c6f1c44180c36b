"""Bags of words: their means, their sparse gradients, and the optimisers' steps on those."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_sparse

import mlc
from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData, SparseRows
from mlc.layers.bags import Bags
from mlc.train import main
from mlc.training.stacked import OPTIMIZERS
from tests.conftest import Command

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


@pytest.mark.parametrize("most_marks", [0, 100])
def test_each_word_has_one_vector_in_the_gradient(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, most_marks: int
) -> None:
    # Words are numbered by sorting, or by marks.
    monkeypatch.setattr("mlc.backbones.embedding_bag._MOST_MARKS", most_marks)
    network, data = backbone(), resident(dataset)
    rows = torch.arange(N).expand(2, -1)
    network(data.batch(rows).features).square().sum().backward()
    gradient = network.vectors.grad
    present = torch.as_tensor(dataset.features.toarray() != 0).any(dim=0)
    assert gradient._indices().tolist() == [
        [0] * int(present.sum()) + [1] * int(present.sum()),
        present.nonzero().flatten().tolist() * 2,
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_is_the_same_by_scipy_and_by_torch(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    bags = resident(dataset).batch(torch.arange(N).expand(2, -1)).features
    assert isinstance(bags, Bags)
    bags = replace(bags, value=bags.value.to(dtype))
    gradients = []
    for by_scipy in (True, False):
        monkeypatch.setattr(
            "mlc.backbones.embedding_bag.is_plain", lambda tensor, by_scipy=by_scipy: by_scipy
        )
        network = backbone().to(dtype)
        network(bags).pow(3).sum().backward()
        gradients.append(network.vectors.grad.coalesce())
    assert torch.equal(gradients[0].indices(), gradients[1].indices())
    torch.testing.assert_close(gradients[0].values(), gradients[1].values())


def test_a_batch_without_any_word_has_no_gradient(dataset: Dataset) -> None:
    network, data = backbone(), resident(dataset)
    means = network(data.batch(torch.zeros(2, 3, dtype=torch.int64)).features)
    assert not means.any()
    means.sum().backward()
    assert network.vectors.grad._nnz() == 0


def test_gradients_of_parts_are_added_after_a_part_without_any_word(dataset: Dataset) -> None:
    network, data = backbone(), resident(dataset)
    parts = torch.zeros(2, 3, dtype=torch.int64), torch.arange(5).expand(2, -1)
    gradients = []
    for chosen in (parts, parts[1:]):
        network.zero_grad()
        for rows in chosen:
            network(data.batch(rows).features).sum().backward()
        gradients.append(network.vectors.grad.to_dense())
    assert gradients[0].any()
    assert torch.equal(*gradients)


def test_second_derivatives_are_those_of_the_dense_product(dataset: Dataset) -> None:
    network, data = backbone(), resident(dataset)
    index = torch.arange(5).expand(2, -1)
    rows = torch.as_tensor(dataset.features.toarray(), dtype=torch.float64)[index]
    shares = rows / rows.sum(-1, keepdim=True).clamp(min=1e-30)
    twin = network.vectors.detach().clone().requires_grad_()
    found = []
    for vectors, means in (
        (network.vectors, network(data.batch(index).features)),
        (twin, shares @ twin),
    ):
        (slope,) = torch.autograd.grad(means.pow(3).sum(), vectors, create_graph=True)
        values = slope.to_dense() if slope.is_sparse else slope
        (second,) = torch.autograd.grad(values.square().sum(), vectors)
        found.append(second.to_dense() if second.is_sparse else second)
    assert found[0].any()
    torch.testing.assert_close(*found)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("is_sorted", [True, False])
def test_rows_of_a_parameter_with_gaps_are_updated(is_sorted: bool) -> None:
    start = torch.randn(2, V, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([[0, 0, 1, 1], [2, 5, 0, 5]])
    if not is_sorted:
        places = places.flip(1)
    values = torch.ones(4, D, dtype=torch.float64)
    weights = []
    for memory in (start.clone(), start.transpose(1, 2).contiguous().transpose(1, 2)):
        parameter = torch.nn.Parameter(memory)
        optimizer = OPTIMIZERS["adam"]([parameter], [OPTIMIZERS.options("adam", lr=0.1)] * 2)
        for _ in range(2):
            parameter.grad = torch.sparse_coo_tensor(
                places, values, (2, V, D), check_invariants=True
            )
            optimizer.step()
        weights.append(parameter.detach())
    assert not weights[1].is_contiguous()
    assert torch.equal(*weights)
    changed = (weights[0] != start).any(dim=2)
    assert changed.nonzero().tolist() == [[0, 2], [0, 5], [1, 0], [1, 5]]


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


@pytest.fixture
def glove(tmp_path: Path) -> Path:
    path = tmp_path / "glove.txt"
    path.write_text("0 1 2 3\n4 5 6 7\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("frozen", [False, True])
def test_vectors_of_a_file_are_the_first_weights(glove: Path, frozen: bool) -> None:
    options = BACKBONES.options("embedding_bag", vectors=str(glove), vectors_frozen=frozen)
    assert BACKBONES["embedding_bag"].defaults(options) == {"width": 3}
    options.width = 3
    network, random = (BACKBONES["embedding_bag"](V, [options] * 2, SEEDS) for _ in range(2))
    network.name_columns(list(map(str, range(V))))
    vectors = network.vectors.detach()
    assert vectors[:, 0].tolist() == [[1, 2, 3]] * 2
    assert vectors[:, 4].tolist() == [[5, 6, 7]] * 2
    others = torch.tensor([1, 2, 3, 5, 6, 7, 8])
    expected = torch.zeros(2, 7, 3) if frozen else random.vectors.detach()[:, others]
    assert torch.equal(vectors[:, others], expected)
    assert network.vectors.requires_grad is not frozen
    options.width = 4
    with pytest.raises(ConfigError, match=r"width=4.* have 3 numbers"):
        BACKBONES["embedding_bag"](V, [options], [0]).name_columns(["0"])


@pytest.mark.parametrize("frozen", ["true", "false"])
def test_a_run_starts_from_word_vectors(command: Command, tmp_path: Path, frozen: str) -> None:
    texts = ["good moon", "good oven", "bad moon", "bad oven", "rare good"] * 6
    tags = ["a;b", "a", "b", "", "a"] * 6
    pd.DataFrame({"text": texts, "tags": tags}).to_csv(tmp_path / "texts.csv", index=False)
    vectors = {"good": [2, 0, 0], "moon": [0, 3, 0], "oven": [0, 0, 4]}
    lines = [f"{word} {' '.join(map(str, values))}\n" for word, values in vectors.items()]
    (tmp_path / "vectors.txt").write_text("".join(lines), encoding="utf-8")
    ended = command(
        main, "data=table", "data.path=texts.csv", "data.labels=[tags]", "data.text=text",
        "backbone=embedding_bag", "backbone.vectors=vectors.txt", "report.figures=false",
        f"backbone.vectors_frozen={frozen}", "trainer.max_epochs=1", "hydra.run.dir=run",
        "report.yardsticks=false",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    assert "3 of 5 words" in ended.error
    # The stored run needs the file no longer.
    (tmp_path / "vectors.txt").unlink()
    loaded = mlc.load("run")
    assert loaded.config.backbone.width == 3
    assert loaded.predict(["good moon"]).shape == (1, 2)
    weights = dict(
        zip(loaded.feature_names, loaded.model.backbone.vectors[0].tolist(), strict=True)
    )
    assert (weights["good"] == vectors["good"]) is (frozen == "true")
    assert weights["good"] == pytest.approx(vectors["good"], abs=0.2)


def test_frozen_vectors_need_a_file() -> None:
    with pytest.raises(ConfigError, match="vectors_frozen=true needs word vectors"):
        BACKBONES.options("embedding_bag", vectors_frozen=True)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_row_of_zeros_or_missing_values_is_as_an_empty_one(
    dataset: Dataset, value: float
) -> None:
    data = resident(dataset)
    bags = data.batch(torch.arange(2).expand(2, -1)).features
    assert isinstance(bags, Bags)
    assert bags.offsets.tolist()[:2] == [0, 0]
    features = dataset.features.tolil()
    features[0, 3] = 1
    features = csr_matrix(features)
    features.data[0] = value
    stated = SparseRows(features, torch.device("cpu"), torch.float64, bags=True)
    of_rows = stated[torch.arange(2).expand(2, -1)]
    assert isinstance(of_rows, Bags)
    of_rows.value.nan_to_num_(nan=0.0)
    network = backbone()
    means = network(of_rows)
    assert not means[:, 0].any()
    assert torch.equal(means, network(bags))
    means.sum().backward()
    assert network.vectors.grad.to_dense().isfinite().all()


def test_negative_features_are_no_weights(dataset: Dataset) -> None:
    negative = Dataset(**{**vars(dataset), "features": -dataset.features})
    with pytest.raises(ConfigError, match="weighs words by their counts, and a feature is neg"):
        resident(negative)
