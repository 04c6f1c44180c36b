"""A scikit-learn classifier with any head, decision rule and backbone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from mlc.backbones.stage import stage_of, staged
from mlc.config.classifier import configs_of
from mlc.config.errors import DataError
from mlc.config.option_types import mapping, typed
from mlc.config.registry import BACKBONES
from mlc.data.base import Dataset
from mlc.data.card import describe
from mlc.data.feature_rows import validated
from mlc.data.image_input import as_rows, images_in, with_shape
from mlc.data.preprocessing import Scaling, fit_scaling, without_unused
from mlc.data.row_weights import require_weight, row_weights
from mlc.data.splits import Split, hold_out
from mlc.data.targets import Targets, encode
from mlc.data.text_input import TextInput, text_options
from mlc.evaluation.predictor import Predictor, best_labels
from mlc.training.assembly import build_model, device_of, known_labels
from mlc.training.defaults import kind_of, resolve
from mlc.training.ensemble import train_ensemble
from mlc.training.rules import build_rule


# Only the constructor: equality and repr stay those of scikit-learn.
@dataclasses.dataclass(eq=False, repr=False)
class MultiLabelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A neural network with any of the heads, decision rules and backbones, as a classifier.

    The validation part of the rows selects the epoch whose weights are used, and tunes the rule. Where
    there are several networks, each holds out different rows, and the rule is tuned out of bag: on the
    mean score of each row over the networks that held it out.

    If y has one class per row, the classes become labels of which exactly one is right; so do two
    classes. The prediction is then the class with the highest score among those that the rule predicts,
    or among all classes if it predicts none. One threshold for all classes therefore has no effect; a
    threshold per label or the most probable label set can have one.

    Args:
        head: one of `mlc.heads.HEADS`.
        head_options: options of the head, such as {"gamma": 1.0} for focal.
        decision: one of `mlc.decisions.DECISIONS` that suits the head; auto chooses one of the others on
            the validation rows, and `decision_` states which.
        decision_options: options of the rule, such as {"metric": "f1_macro"}.
        backbone: one of `mlc.backbones.BACKBONES`.
        backbone_options: options of the backbone, such as {"width": 50} for embedding_bag; for mlp they
            override the next four parameters, which no other backbone uses.
        widths: widths of the hidden layers; () is a linear model, 64 one layer. Here and below, auto is
            the default for the backbone and the kind of the training rows (docs/defaults.md).
        dropout: dropout rate after each hidden layer, or auto.
        activation: relu, gelu, silu or tanh.
        normalization: batch, layer, none or auto.
        text: the column of a data frame that holds texts; None if X is numbers, or a list, an array or
            a column of texts.
        text_options: options of `mlc.data.text.TextOptions`, named as in scikit-learn's
            TfidfVectorizer, such as {"ngram_range": [1, 2], "min_df": 3}.
        weighting: the weighting of counts (the words of texts, sparse whole numbers of which some exceed
            1): tfidf, counts or binary; auto is tfidf for counts and changes no other features.
        optimizer: one of `mlc.training.OPTIMIZERS`; auto is lbfgs for backbone="linear", else adamw.
        lr: learning rate, or auto.
        weight_decay: weight decay of the optimizer; auto is the optimizer's default.
        schedule: schedule of the learning rate: constant, linear, cosine or auto.
        max_epochs: maximum number of passes over the training rows, or auto.
        batch_size: rows per step, or auto.
        monitor: the validation metric that selects the best epoch, or "loss".
        patience: epochs without improvement after which training stops; None trains max_epochs.
        missing_labels: "refuse" NaN and other gaps among the zeros and ones of y; "mask" them, so that
            the known labels alone count (docs/missing_labels.md); or take them as "negative".
        soft_labels: whether y holds probabilities, (N, K), as targets of the loss.
        val_fraction: share of the rows on which each network is validated.
        n_seeds: number of networks that are trained together and whose probabilities are averaged.
        device: auto, cpu or cuda, or a torch.device.
        random_state: an int for reproducible fits.
        verbose: 1 prints a description of the data and the first network's split before training, and
            the fitted decision rule after it.

    Attributes:
        classes_: the labels, (K,).
        n_features_in_: the number of features D.
        predictor_: the trained model with its preprocessing and rule.
        decision_: the fitted decision rule. Its repr states in words what auto chose and what the rule
            learned, as in "auto: global, threshold 0.314"; `decision_.decide` takes scores, (N, K).
        held_out_: the validation rows of each network, (n_seeds, N), bool.
        history_: arrays (epochs, n_seeds) by name: "loss/train", "val/jaccard_samples", ...;
            NaN after the last epoch of a network that was trained by itself (lbfgs).

    >>> from sklearn.datasets import make_multilabel_classification
    >>> X, y = make_multilabel_classification(random_state=0)
    >>> classifier = MultiLabelClassifier("powerset", decision="mode", max_epochs=2, random_state=0)
    >>> classifier.fit(X, y).predict(X).shape
    (100, 5)
    """

    head: str = "sigmoid"
    _: dataclasses.KW_ONLY
    head_options: Mapping[str, Any] | None = None
    decision: str = "auto"
    decision_options: Mapping[str, Any] | None = None
    backbone: str = "mlp"
    backbone_options: Mapping[str, Any] | None = None
    widths: Sequence[int] | int | str = "auto"
    dropout: float | str = "auto"
    activation: str = "relu"
    normalization: str = "auto"
    text: str | None = None
    text_options: Mapping[str, Any] | None = None
    weighting: str = "auto"
    optimizer: str = "auto"
    lr: float | str = "auto"
    weight_decay: float | str = "auto"
    schedule: str = "auto"
    max_epochs: int | str = "auto"
    batch_size: int | str = "auto"
    monitor: str = "jaccard_samples"
    patience: int | None = None
    missing_labels: str = "refuse"
    soft_labels: bool = False
    val_fraction: float = 0.2
    n_seeds: int = 1
    device: str | torch.device = "auto"
    random_state: Any = None
    verbose: int = 0

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on features (N, D), dense or sparse, and label sets.

        Args:
            X: features, where NaN is a missing value; or texts; or images, (N, C, H, W) or (N, H, W, C),
                as bytes from 0 to 255 or as floats, which are not scaled.
            y: zeros and ones, (N, K), dense or sparse, or words for them such as yes and no, in an array
                or a data frame, whose columns name the labels; or lists of labels; or one class per row,
                (N,). An array (N, 1) of zeros and ones is a single label.
            sample_weight: how often each row counts in the training loss, (N,), relative to the mean.
                The validation rows, which choose epoch and rule, count alike.

        Raises:
            ValueError: unusable data, or an unknown or unsuitable setting.
            TrainingError: the loss is not finite.
        """
        X = list(X) if isinstance(X, Iterator) else X
        features, self._targets = self._validated(X, y)
        self.classes_ = self._targets.labels
        configs = configs_of(self)
        names = getattr(self, "feature_names_in_", range(features.shape[1]))
        dataset = self._texts.dataset(features, self._targets, names, self.weighting)
        if self._image_shape:
            dataset = with_shape(dataset, self._image_shape)
        device = device_of(str(self.device))
        self._stage = stage_of(configs[0].backbone, device)
        self._sample_shape, self._samples = dataset.sample_shape, dataset.samples
        if self._stage is not None:
            texts = tuple(self._texts.texts(X) or ()) or None
            dataset = staged(dataclasses.replace(dataset, texts=texts), self._stage)
        splits = [self._hold_out(dataset, config.seed) for config in configs]
        weights = row_weights(sample_weight, dataset.n_samples)
        require_weight(weights, splits, dataset.known)
        kind = kind_of(dataset, splits[0].train)
        configs = [resolve(config, kind) for config in configs]
        self.held_out_ = np.zeros((len(splits), dataset.n_samples), dtype=bool)
        for is_held_out, split in zip(self.held_out_, splits, strict=True):
            is_held_out[split.val] = True
        dataset, scalings = self._scaled(dataset, splits)
        known = known_labels(dataset, splits)
        shape, names = dataset.sample_shape, dataset.feature_names
        model = build_model(configs, shape, known, device, scalings, names)
        # Before the training, so that an unsuitable rule is refused at once.
        options = mapping("decision_options", self.decision_options)
        rule = build_rule(self.decision, options, configs[0].head, dataset.n_labels)
        about = dataset.label_names, names, dataset.sample_shape, dataset.samples
        predictor = Predictor(model, scalings, rule, *about)
        self.history_ = train_ensemble(configs, model, dataset, splits, scalings, device, weights)
        predictor.fit_rule(dataset.features, dataset.targets, self.held_out_, dataset.known)
        self.predictor_, self.decision_ = predictor, rule
        if self.verbose:
            print(f"  {'decision':<11} {rule!r}")
        return self

    def predict(self, X: Any) -> Any:
        """Predict label sets: zeros and ones (N, K), or lists or classes if the y of `fit` had these."""
        features = self._inputs(X)
        decided = self.predictor_.predict(features)
        if self._targets.form != "classes":
            return self._targets.decode(decided)
        return self.classes_[best_labels(self.predictor_.scores(features), decided)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the score of each label, (N, K).

        If the y of `fit` had one class per row, the scores are normalised to sum to one: (N, classes).
        """
        features = self._inputs(X)
        scores = self.predictor_.scores(features)
        if self._targets.form != "classes":
            return scores
        total = scores.sum(axis=1, keepdims=True)
        return np.where(total > 0, scores / np.where(total > 0, total, 1), 1 / scores.shape[1])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the subset accuracy, as scikit-learn's classifiers do; the accuracy for classes."""
        predicted = self.predict(X)
        y = self._targets.encoded(y)
        if self._targets.form == "lists":
            predicted = self._targets.encoded(predicted)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def export(self, path: str | Path) -> None:
        """Write networks and rule as FILE.onnx, FILE.pt2 or a folder of plain torch (docs/export.md)."""
        check_is_fitted(self)
        from mlc.exporting.estimator import export_classifier

        is_one = self._targets.form == "classes"
        inputs = self._texts, self._stage, self._sample_shape
        export_classifier(Path(path), self.predictor_, *inputs, is_one)

    def _hold_out(self, dataset: Dataset, seed: int) -> Split:
        """Split the rows by the network's seed, so that the networks together train on all rows."""
        n_samples = dataset.n_samples
        fraction = max(self.val_fraction, 1 / n_samples)
        train, val = hold_out(dataset, np.arange(n_samples), fraction, seed)
        return Split(train, val, val)

    def _scaled(self, dataset: Dataset, splits: Sequence[Split]) -> tuple[Dataset, list[Scaling]]:
        """Fit the scalings, print the card if asked to, and drop words that no network uses."""
        bags = BACKBONES[self.backbone].takes_bags
        scalings = [fit_scaling(dataset, split.train, bags) for split in splits]
        if typed("verbose", self.verbose, int):
            without_test = dataclasses.replace(splits[0], test=splits[0].val[:0])
            print(describe(dataset, without_test, scaling=scalings[0]).text())
        if not self._texts.is_fitted or self._stage is not None:
            return dataset, scalings
        dataset, scalings = without_unused(dataset, scalings)
        self._texts.names = dataset.feature_names
        return dataset, scalings

    def _validated(self, X: Any, y: Any) -> tuple[Any, Targets]:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        options = mapping("text_options", self.text_options)
        self._texts = TextInput(self.text, text_options(options))
        features = self._features(X, reset=True)
        targets = encode(y, self.missing_labels, self.soft_labels)
        if len(targets.multi_hot) != features.shape[0]:
            raise ValueError(
                f"X has {features.shape[0]} rows and y {len(targets.multi_hot)}: give as many."
            )
        return features, targets

    def _inputs(self, X: Any) -> Any:
        """Return the features of the networks, with what their backbone does before the training."""
        check_is_fitted(self)
        X = list(X) if isinstance(X, Iterator) else X
        if self._stage is None:
            return self._features(X)
        texts = self._texts.texts(X) if self._texts.is_fitted else None
        if texts is None:
            samples = self._features(X).reshape(-1, *self._sample_shape)
            samples = self._stage.on_scale(samples, self._samples)
        else:
            samples = texts
        return self._stage.compute(samples).reshape(len(samples), -1)

    def _features(self, X: Any, reset: bool = False) -> Any:
        images = images_in(X)
        if reset:
            self._image_shape = () if images is None else images.shape[1:]
        if images is not None or self._image_shape:
            rows = as_rows(X, images, self._image_shape)
            self.n_features_in_ = rows.shape[1]
            return rows
        texts = self._texts.texts(X)
        if texts is not None and (reset or self._texts.is_fitted):
            return self._texts.counts(texts)
        if self._texts.is_fitted:
            raise DataError("X holds no texts, and the classifier was fitted on texts: give texts.")
        return validated(self, X, reset)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags
