"""L-BFGS on all training rows against scikit-learn's logistic regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.config.schema import TrainerOptions
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.heads.base import HEADS
from mlc.training import full_batch
from mlc.training.assembly import known_labels
from mlc.training.loop import Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

N, D, K = 80, 6, 4
SPLIT = Split(np.arange(50), np.arange(50, 65), np.arange(65, N))
RNG = np.random.default_rng(0)
DENSE = (RNG.normal(size=(N, D)) * (1, 1, 2, 2, 3, 1)).astype(np.float32)
SPARSE = np.where(RNG.random((N, D)) < 0.4, np.abs(DENSE), 0).astype(np.float32)
TARGETS = DENSE[:, :K] + RNG.normal(size=(N, K)) > (0, 0.5, 1, -0.5)


def training(
    rows: NDArray[Any],
    C: list[float],
    head: str = "sigmoid",
    targets: NDArray[np.bool_] = TARGETS,
    backbone: str = "linear",
    network: dict[str, Any] | None = None,
    max_iter: int = 1000,
    device: str = "cpu",
    row_weights: NDArray[np.float64] | None = None,
    **trainer: Any,
) -> Training:
    features: Any = csr_matrix(rows) if rows is SPARSE else rows
    names = tuple(map(str, range(D))), tuple(map(str, range(targets.shape[1])))
    data = Dataset("made", features, targets, *names, np.ones(D, dtype=bool))
    scaling = fit_scaling(data, SPLIT.train)
    options = BACKBONES.options(backbone, **(network or {}))
    body = BACKBONES[backbone](D, [options], [0])
    known = known_labels(data, [SPLIT])
    parts = body.n_outputs, targets.shape[1], HEADS.options(head), [0], known
    model = Model(body, HEADS[head](*parts)).to(device, torch.float64)
    resident = ResidentData(
        features, targets, [scaling], torch.device(device), torch.float64, keep_sparse=True
    )
    lbfgs = OPTIMIZERS.options("lbfgs", C=C, tolerance=1e-9, max_iter=max_iter)
    optimizer = OPTIMIZERS["lbfgs"](model.parameters(), [lbfgs], model.without_axis)
    settings = TrainerOptions(**{"precision": "float64", "monitor": "loss", **trainer})
    return Training(model, resident, [SPLIT], optimizer, [settings], [0], weights=row_weights)


def fitted(trained: Training) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Weights (D, outputs), biases (outputs,) and the outputs of the test rows."""
    output = trained.model.head.output
    test = trained.data.rows([SPLIT.test])
    outputs = torch.cat([chunk for chunk, *_ in trained.model.outputs(trained.data, test)], 1)
    arrays = output.weight[0], output.bias[0, 0], outputs[0]
    return tuple(array.detach().cpu().numpy() for array in arrays)


def scaled(trained: Training, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    features = trained.data.batch(trained.data.rows([rows])).features
    return (features if isinstance(features, torch.Tensor) else features.dense())[0].numpy()


@pytest.mark.parametrize("rows", [DENSE, SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("C", [0.1, 30.0])
def test_sigmoids_are_logistic_regressions_of_the_same_C(rows: NDArray[Any], C: float) -> None:
    trained = training(rows, [C])
    assert [epoch.number for epoch in trained] == [1]
    weights, biases, outputs = fitted(trained)
    train, test = scaled(trained, SPLIT.train), scaled(trained, SPLIT.test)
    for label in range(K):
        model = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
        model.fit(train, TARGETS[SPLIT.train, label])
        np.testing.assert_allclose(weights[:, label], model.coef_[0], atol=1e-4)
        np.testing.assert_allclose(biases[label], model.intercept_[0], atol=1e-4)
        probabilities = 1 / (1 + np.exp(-outputs[:, label]))
        np.testing.assert_allclose(probabilities, model.predict_proba(test)[:, 1], atol=1e-4)


def svm(C: float) -> LinearSVC:
    """LIBLINEAR's SVM with a penalty on the intercept that is too weak to be seen."""
    return LinearSVC(C=C, dual=False, intercept_scaling=1e3, tol=1e-10, max_iter=10_000)


@pytest.mark.parametrize("rows", [DENSE, SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("C", [0.01, 0.3, 30.0])
def test_squared_hinges_are_linear_svms_of_the_same_C(rows: NDArray[Any], C: float) -> None:
    trained = training(rows, [C], "squared_hinge")
    list(trained)
    weights, biases, outputs = fitted(trained)
    train, test = scaled(trained, SPLIT.train), scaled(trained, SPLIT.test)
    for label in range(K):
        model = svm(C).fit(train, TARGETS[SPLIT.train, label])
        np.testing.assert_allclose(weights[:, label], model.coef_[0], atol=1e-4)
        np.testing.assert_allclose(biases[label], model.intercept_[0], atol=1e-4)
        np.testing.assert_allclose(outputs[:, label], model.decision_function(test), atol=1e-4)


def test_a_path_of_squared_hinges_is_an_svm_for_each_C() -> None:
    path = [0.01, 0.1, 1.0]
    trained = training(DENSE, path, "squared_hinge", TARGETS[:, :1], patience=3)
    train = scaled(trained, SPLIT.train)
    for C, _ in zip(path, trained, strict=True):
        model = svm(C).fit(train, TARGETS[SPLIT.train, 0])
        np.testing.assert_allclose(fitted(trained)[0][:, 0], model.coef_[0], atol=1e-4)


@pytest.mark.parametrize("head", ["sigmoid", "squared_hinge"])
def test_a_column_of_zeros_has_no_weight_however_weak_the_penalty(head: str) -> None:
    """As in LIBLINEAR; test rows may have other values than 0 in the column."""
    rows = DENSE.copy()
    rows[SPLIT.train, D - 1] = 0
    trained = training(rows, [1e6], head, max_iter=5)
    first = fitted(trained)[0][D - 1]
    assert (first != 0).all()
    list(trained)
    assert (fitted(trained)[0][D - 1] == 0).all()
    assert (fitted(trained)[0][: D - 1] != 0).all()


@pytest.mark.parametrize("at_once", [17, 10**6])
def test_weighted_rows_are_those_of_logistic_regression(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a weight of 0 among them, and in parts of several rows."""
    monkeypatch.setattr(full_batch, "_ENTRIES_AT_ONCE", at_once * D)
    weights = np.random.default_rng(1).integers(0, 4, N) * 0.7
    trained = training(DENSE, [0.5], row_weights=weights)
    list(trained)
    coefficients, biases, _ = fitted(trained)
    for label in range(K):
        model = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000)
        rows = scaled(trained, SPLIT.train)
        relative = (weights / weights.mean())[SPLIT.train]
        model.fit(rows, TARGETS[SPLIT.train, label], sample_weight=relative)
        np.testing.assert_allclose(coefficients[:, label], model.coef_[0], atol=1e-4)
        np.testing.assert_allclose(biases[label], model.intercept_[0], atol=1e-4)


def test_a_powerset_of_the_seen_sets_is_multinomial_regression() -> None:
    """The outputs are determined up to a constant, which the penalty leaves to the biases."""
    kinds = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]], dtype=bool)
    index = np.abs(DENSE[:, :4] + RNG.normal(size=(N, 4))).argmax(axis=1)
    trained = training(DENSE, [2.0], "label_powerset", kinds[index])
    list(trained)
    weights, _, outputs = fitted(trained)
    sets = trained.model.head.label_sets.numpy()
    classes = [(sets == kinds[label]).all(axis=1).argmax() for label in range(4)]
    model = LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000)
    model.fit(scaled(trained, SPLIT.train), index[SPLIT.train])
    np.testing.assert_allclose(weights[:, classes].T, model.coef_, atol=1e-4)
    shares = torch.as_tensor(outputs).softmax(dim=1).numpy()[:, classes]
    expected = model.predict_proba(scaled(trained, SPLIT.test))
    np.testing.assert_allclose(shares, expected, atol=1e-4)


def test_the_path_ends_after_two_worse_values_and_keeps_the_best() -> None:
    path = [0.001, 0.3, 10.0, 100.0, 1000.0]
    trained = training(DENSE, path)
    losses = [float(epoch.values["loss/val"]) for epoch in trained]
    alone = [training(DENSE, [C]) for C in path]
    expected = [float(epoch.values["loss/val"]) for one in alone for epoch in one]
    np.testing.assert_allclose(losses, expected[:4], atol=1e-6)
    best = int(np.argmin(expected))
    assert (int(trained.best_epoch), best) == (2, 1)
    np.testing.assert_allclose(fitted(trained)[0], fitted(alone[best])[0], atol=1e-4)
    assert len(list(training(DENSE, path, patience=1))) == 3
    assert len(list(training(DENSE, path, max_epochs=1))) == 1


def test_the_path_goes_on_while_the_validation_loss_falls() -> None:
    """With so strong penalties each row has the same decision, so the metric stays the same."""
    path = [1e-4, 2e-4, 4e-4, 1e-3, 0.3]
    trained = training(DENSE, path, monitor="subset_accuracy")
    values = [float(epoch.values["val/subset_accuracy"]) for epoch in trained]
    assert values[:4] == values[:1] * 4
    assert values[4] > values[0]
    assert int(trained.best_epoch) == 5


def test_C_is_chosen_with_at_least_one_label_where_that_is_better() -> None:
    """Of rows with one label, with values of C that the threshold alone orders otherwise."""
    kinds = (DENSE[:, :K] + RNG.normal(size=(N, K))).argmax(axis=1)
    path = [0.0003, 0.003, 0.03, 0.3, 3.0]
    targets = np.eye(K, dtype=bool)[kinds]
    trained = training(DENSE, path, "squared_hinge", targets, monitor="jaccard_samples", patience=5)
    thresholds, actual = [], torch.as_tensor(targets[SPLIT.val])
    val = trained.data.rows([SPLIT.val])
    for epoch in trained:
        chunks = trained.model.outputs(trained.data, val)
        scores = trained.model.head.scores(torch.cat([chunk for chunk, *_ in chunks], 1))[
            0
        ].detach()
        topped = torch.zeros_like(actual).scatter(1, scores.argmax(1, keepdim=True), True)
        cuts = [-1.0, *scores.flatten().tolist(), 2.0]
        alone = max(jaccard(scores >= cut, actual) for cut in cuts)
        at_least_one = max(jaccard((scores >= cut) | topped, actual) for cut in cuts)
        thresholds.append((alone, at_least_one))
        assert float(epoch.values["val/jaccard_samples"]) == pytest.approx(max(alone, at_least_one))
    best = [max(pair) for pair in thresholds]
    assert int(trained.best_epoch) == 1 + int(np.argmax(best))
    assert int(trained.best_epoch) != 1 + int(np.argmax([alone for alone, _ in thresholds]))


def jaccard(decided: torch.Tensor, actual: torch.Tensor) -> float:
    either = (decided | actual).sum(dim=1)
    return float(((decided & actual).sum(dim=1) / either.clamp(min=1) + (either == 0)).mean())


def test_a_drawn_label_is_replaced_by_the_mean_over_the_draws() -> None:
    drawn, mean = training(DENSE, [1.0], "pick_one"), training(DENSE, [1.0], "softmax_uniform")
    list(drawn), list(mean)
    np.testing.assert_allclose(fitted(drawn)[2], fitted(mean)[2], atol=1e-5)


@pytest.mark.parametrize("rows", [DENSE, SPARSE], ids=["dense", "sparse"])
def test_rows_in_several_batches_are_the_rows_at_once(
    rows: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = training(rows, [1.0])
    (expected,) = (epoch.values["loss/train"] for epoch in whole)
    monkeypatch.setattr(full_batch, "_ENTRIES_AT_ONCE", 12 * D)
    monkeypatch.setattr(full_batch, "_MOST_CACHED", 0)
    parts = training(rows, [1.0])
    (found,) = (epoch.values["loss/train"] for epoch in parts)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(fitted(parts)[0], fitted(whole)[0], atol=1e-6)


def test_labels_without_an_example_are_predicted_by_their_biases() -> None:
    targets = TARGETS.copy()
    targets[:, 0], targets[:, 1] = False, True
    trained = training(DENSE, [1.0], targets=targets)
    assert all(epoch.values["loss/train"].isfinite() for epoch in trained)
    outputs = fitted(trained)[2]
    assert (outputs[:, 0] < -5).all()
    assert (outputs[:, 1] > 5).all()


def test_squared_hinges_of_constant_labels_are_at_the_margin() -> None:
    targets = TARGETS.copy()
    targets[:, 0], targets[:, 1] = False, True
    trained = training(DENSE, [1.0], "squared_hinge", targets)
    list(trained)
    weights, _, outputs = fitted(trained)
    np.testing.assert_allclose(weights[:, :2], 0, atol=1e-4)
    assert (outputs[:, 0] <= -0.999).all()
    assert (outputs[:, 1] >= 0.999).all()


def test_hidden_layers_are_trained_too() -> None:
    network = {"widths": [8], "dropout": 0.0, "normalization": "layer"}
    trained = training(DENSE, [0.1, 1.0], backbone="mlp", network=network, max_iter=20)
    first, second = (float(epoch.values["loss/train"]) for epoch in trained)
    assert second < first < K * np.log(2)


@pytest.mark.parametrize(
    ("network", "head", "message"),
    [
        ({"dropout": 0.5, "normalization": "none"}, "sigmoid", "set backbone.dropout=0"),
        ({"dropout": 0.0, "normalization": "batch"}, "sigmoid", "set backbone.normalization=none"),
        ({"dropout": 0.0, "normalization": "none"}, "two_way", "compares the rows of a batch"),
    ],
)
def test_a_loss_that_depends_on_draws_or_batches_is_refused(
    network: dict[str, Any], head: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        training(DENSE, [1.0], head, backbone="mlp", network=network)
