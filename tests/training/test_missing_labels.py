"""Training and evaluation where labels are missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError, DataError
from mlc.config.schema import TrainerOptions
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.decisions.base import DECISIONS, build_decision
from mlc.estimator import MultiLabelClassifier
from mlc.evaluation.baselines import most_frequent_set, prior_scores
from mlc.evaluation.judging import evaluate
from mlc.heads.base import HEADS
from mlc.metrics.final import decision_metrics, ranking_metrics
from mlc.training.assembly import known_labels
from mlc.training.loop import Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS
from tests.documents import blocks, text_of

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
N_ROWS = 80
FEATURES = RNG.normal(size=(N_ROWS, 4)).astype(np.float32)
TARGETS = FEATURES[:, :3] + 0.5 * RNG.normal(size=(N_ROWS, 3)) > 0.3
KNOWN = RNG.random((N_ROWS, 3)) < 0.6
KNOWN[[1, 45, 60]] = False
SPLITS = [
    Split(np.arange(40), np.arange(40, 60), np.arange(60, 80)),
    Split(np.arange(20, 60), np.arange(20), np.arange(60, 80)),
]


def dataset(known: Any = KNOWN, targets: NDArray[np.bool_] = TARGETS) -> Dataset:
    return Dataset(
        "made",
        FEATURES,
        targets if known is None else targets & known,
        tuple("wxyz"),
        tuple("abc"),
        np.ones(4, dtype=bool),
        known=known,
    )


def trained(
    data: Dataset,
    head: str = "sigmoid",
    optimizer: str = "adamw",
    max_epochs: int = 3,
    monitor: str = "jaccard_samples",
    **options: Any,
) -> tuple[Training, list[dict[str, torch.Tensor]]]:
    """A training of two runs, and the values of its epochs."""
    splits, seeds = (SPLITS, [0, 1]) if optimizer == "adamw" else (SPLITS[:1], [0])
    backbone_options = BACKBONES.options("mlp", widths=[8], dropout=0.0, normalization="none")
    backbone = BACKBONES["mlp"](4, [backbone_options] * len(seeds), seeds)
    known = known_labels(data, splits)
    layer = HEADS[head](8, 3, HEADS.options(head, **options), seeds, known)
    model = Model(backbone, layer).double()
    resident = ResidentData(
        data.features,
        data.targets,
        [fit_scaling(data, split.train) for split in splits],
        CPU,
        torch.float64,
        known=data.known,
        soft=data.soft,
    )
    given = OPTIMIZERS.options(optimizer)
    steps = OPTIMIZERS[optimizer](model.parameters(), [given] * len(seeds))
    trainer = TrainerOptions(max_epochs=max_epochs, batch_size=16, monitor=monitor)
    training = Training(model, resident, splits, steps, [trainer] * len(seeds), seeds)
    return training, [epoch.values for epoch in training]


@pytest.mark.parametrize("head", ["sigmoid", "pick_one", "powerset", "two_way", "label_powerset"])
def test_with_all_labels_known_the_training_is_that_without_marks(head: str) -> None:
    plain = trained(dataset(None), head)[1]
    marked = trained(dataset(np.ones_like(KNOWN)), head)[1]
    for before, after in zip(plain, marked, strict=True):
        for name in before:
            torch.testing.assert_close(after[name], before[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["adamw", "lbfgs"])
def test_losses_are_means_over_rows_of_the_known_labels_losses(optimizer: str) -> None:
    training, epochs = trained(dataset(), optimizer=optimizer, max_epochs=1)
    parts = {"loss/val": training.val_rows}
    if optimizer == "lbfgs":
        # The loss of the last weights; that of adamw is of the weights before each step.
        parts["loss/train"] = training.train_rows
    for name, rows_of_runs in parts.items():
        with torch.no_grad():
            outputs = training.model.eval()(training.data.batch(rows_of_runs).features)
        for run, rows in enumerate(rows_of_runs.tolist()):
            total = 0.0
            for row, index in enumerate(rows):
                for label in np.flatnonzero(KNOWN[index]).tolist():
                    target = torch.tensor(float(TARGETS[index, label])).double()
                    z = outputs[run, row, label]
                    total += float(binary_cross_entropy_with_logits(z, target))
            assert float(epochs[0][name][run]) == pytest.approx(total / len(rows), abs=1e-10)


def test_epochs_are_chosen_by_the_known_validation_labels() -> None:
    training, epochs = trained(dataset(), max_epochs=1)
    scores = []
    for outputs, *_ in training.model.outputs(training.data, training.val_rows):
        scores.append(training.model.head.scores(outputs))
    for run, split in enumerate(SPLITS):
        found = torch.cat(scores, dim=1)[run].detach().numpy()
        best = 0.0
        for t in [*np.unique(found), 2.0]:
            decided = found >= t
            rows = []
            for d, y, k in zip(decided, TARGETS[split.val], KNOWN[split.val], strict=True):
                if k.any():
                    union = (d | y)[k].sum()
                    rows.append((d & y)[k].sum() / union if union else 1.0)
            best = max(best, float(np.mean(rows)))
        assert float(epochs[0]["val/jaccard_samples"][run]) == pytest.approx(best, abs=1e-9)


def test_a_head_without_a_masked_loss_is_refused_before_the_training() -> None:
    y = np.where(KNOWN, TARGETS, np.nan)
    with pytest.raises(ConfigError, match="'f_measure' has no loss for rows with missing labels"):
        MultiLabelClassifier("f_measure", missing_labels="mask").fit(FEATURES, y)


class TestTheEvaluation:
    def judged(self, targets: NDArray[np.bool_] = TARGETS) -> Any:
        data = dataset()
        training, _ = trained(data, max_epochs=2)
        if targets is not TARGETS:
            object.__setattr__(data, "targets", targets)
        rules = [{name: build_decision(name) for name in ("fixed", "global")} for _ in SPLITS]
        return evaluate(training.model, training.data, data, SPLITS, rules)

    def test_metrics_are_those_of_the_known_labels(self) -> None:
        for split, result in zip(SPLITS, self.judged(), strict=True):
            for part, rows in (("val", split.val), ("test", split.test)):
                y, k = TARGETS[rows], KNOWN[rows]
                expected = ranking_metrics(result.scores[part], y, None, k)
                for name in ("lrap", "roc_auc_macro", "brier"):
                    assert result.metrics[f"{part}/{name}"] == expected[name]
                for rule, decided in result.decisions[part].items():
                    values = decision_metrics(decided, y, k)
                    assert result.metrics[f"{part}/{rule}/f1_macro"] == values["f1_macro"]
            p = np.where(TARGETS, 1, 0)[split.test]
            s = result.scores["test"].astype(np.float64)
            of_pairs = np.where(p == 1, np.log(s), np.log1p(-s))
            nll = -(of_pairs * KNOWN[split.test]).sum(axis=1).mean()
            assert result.metrics["test/nll"] == pytest.approx(nll, rel=1e-6)

    def test_the_prior_counts_known_labels(self) -> None:
        split = SPLITS[0]
        prior = prior_scores(dataset(), split)["test"][0]
        for label in range(3):
            rows = KNOWN[split.train, label]
            assert prior[label] == TARGETS[split.train, label][rows].mean()
        complete = KNOWN[split.train].all(axis=1)
        sets, counts = np.unique(TARGETS[split.train][complete], axis=0, return_counts=True)
        assert (most_frequent_set(dataset(), split)[0] == sets[counts.argmax()]).all()


class TestThePage:
    def test_its_classifier_runs(self, capsys: pytest.CaptureFixture[str]) -> None:
        (block,) = blocks("docs/missing_labels.md", "python")
        exec(block.replace("random_state=0)\nclass", "random_state=0, max_epochs=2)\nclass"), {})
        assert len(capsys.readouterr().out.split()) > 10

    def test_it_says_of_each_head_and_rule_what_it_does(self) -> None:
        text = text_of("docs/missing_labels.md")
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        refused = next(line for line in rows if "refused" in line)
        for name, head in HEADS.items():
            assert any(f"`{name}`" in line for line in rows), name
            assert (f"`{name}`" in refused) == (not head.masks), name
        sentence = text.partition("The rules ")[2].partition("refuse.")[0]
        for name, rule in DECISIONS.items():
            assert (f"`{name}`" in sentence) == (rule.tuned_on != "nothing"), name


class TestTheClassifier:
    def test_targets_at_unknown_labels_do_not_exist(self) -> None:
        y = np.where(KNOWN, TARGETS, np.nan)
        classifier = MultiLabelClassifier(
            max_epochs=2, widths=(8,), random_state=0, missing_labels="mask", n_seeds=2
        ).fit(FEATURES, y)
        assert classifier.predict(FEATURES).shape == (N_ROWS, 3)
        assert classifier.history_["loss/val"].shape == (2, 2)
        assert np.isfinite(classifier.history_["loss/train"]).all()

    def test_negative_is_a_fit_on_zeros(self) -> None:
        options: dict[str, Any] = {"max_epochs": 2, "widths": (8,), "random_state": 0}
        y = np.where(KNOWN, TARGETS, np.nan)
        assumed = MultiLabelClassifier(**options, missing_labels="negative").fit(FEATURES, y)
        zeros = MultiLabelClassifier(**options).fit(FEATURES, (TARGETS & KNOWN).astype(int))
        np.testing.assert_array_equal(
            assumed.predict_proba(FEATURES), zeros.predict_proba(FEATURES)
        )

    def test_a_complete_y_is_fitted_as_ever(self) -> None:
        options: dict[str, Any] = {"max_epochs": 2, "widths": (8,), "random_state": 0}
        masked = MultiLabelClassifier(**options, missing_labels="mask").fit(FEATURES, TARGETS)
        plain = MultiLabelClassifier(**options).fit(FEATURES, TARGETS)
        np.testing.assert_array_equal(masked.predict_proba(FEATURES), plain.predict_proba(FEATURES))

    def test_what_is_wrong_is_said(self) -> None:
        y = np.where(KNOWN, TARGETS, np.nan)
        with pytest.raises(DataError, match=r"y is nan in row 0.*set missing_labels to 'mask'"):
            MultiLabelClassifier().fit(FEATURES, y)
        with pytest.raises(ConfigError, match="missing_labels=drop"):
            MultiLabelClassifier(missing_labels="drop").fit(FEATURES, TARGETS)
        y[:, :] = np.nan
        with pytest.raises(DataError, match="No label of the training rows is known"):
            MultiLabelClassifier(missing_labels="mask").fit(FEATURES, y)
