"""Every head and decision rule as a scikit-learn classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted, validate_data

from mlc.config.classifier import configs_of
from mlc.config.errors import DataError
from mlc.config.option_types import mapping, typed
from mlc.config.registry import BACKBONES, OPTIMIZERS
from mlc.data.base import Dataset
from mlc.data.card import describe
from mlc.data.feature_rows import features_of, refuse
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split, hold_out
from mlc.data.targets import Targets, encode
from mlc.data.text_input import TextInput, text_options
from mlc.decisions.base import build_decision
from mlc.evaluation.predictor import Predictor
from mlc.training.assembly import build_model, device_of, known_labels
from mlc.training.loop import Training


class MultiLabelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A network that ends in one of the heads, decided by one of the rules.

    Part of the rows validate: they choose the epoch whose weights are kept and tune the rule. Each of
    several networks holds out rows of its own, and the rule is tuned out of bag: on each row's mean
    over the networks that held it out.

    Where each row has one class, the classes are labels of which exactly one is right, two classes as
    well as more. Predicted is then the class with the highest score among those that the rule predicts
    (among all where it predicts none). One threshold for all classes therefore decides nothing; a
    threshold for each, or the most probable label set, may.

    Args:
        head: one of `mlc.heads.HEADS`.
        head_options: the head's own, as in {"gamma": 1.0} for focal.
        decision: one of `mlc.decisions.DECISIONS` that suits the head; auto chooses one itself.
        decision_options: the rule's own, as in {"metric": "f1_macro"}.
        backbone: one of `mlc.backbones.BACKBONES`.
        backbone_options: the backbone's own, as in {"width": 50} for embedding_bag; for mlp they replace
            the four that follow, which no other backbone takes.
        widths: of the hidden layers; () is a linear model, 64 one layer.
        dropout: after each hidden layer.
        activation: relu, gelu, silu or tanh.
        normalization: batch, layer or none.
        text: the column of a data frame whose words are the features; None where X is numbers, or a
            list, an array or a column of texts.
        text_options: `mlc.data.text.TextOptions`, named as those of scikit-learn's TfidfVectorizer, as
            in {"ngram_range": [1, 2], "min_df": 3}.
        weighting: how counts (the words of texts, sparse whole numbers of which some exceed 1) enter:
            tfidf, counts or binary; auto is tfidf for them, and leaves all else as it is.
        optimizer: one of `mlc.training.OPTIMIZERS`.
        lr: learning rate.
        weight_decay: of the optimizer.
        schedule: of the learning rate.
        max_epochs: passes over the training rows.
        batch_size: rows of a step.
        monitor: the validation metric whose best epoch is kept, or "loss".
        patience: epochs without a better one after which the training ends; None trains them all.
        val_fraction: share of the rows that validate a network.
        n_seeds: networks that are trained side by side and whose probabilities are averaged.
        device: auto, cpu or cuda, or a torch.device.
        random_state: an int for reproducible fits.
        verbose: 1 prints the card of the data, split as for the first network, before training.

    Attributes:
        classes_: the labels, (K,).
        n_features_in_: D.
        predictor_: the trained model with its preprocessing and rule.
        held_out_: which rows each network was validated on, (n_seeds, N), bool.
        history_: by name ("loss/train", "val/jaccard_samples", ...) an array (epochs, n_seeds).

    >>> from sklearn.datasets import make_multilabel_classification
    >>> X, y = make_multilabel_classification(random_state=0)
    >>> classifier = MultiLabelClassifier("powerset", decision="mode", max_epochs=2, random_state=0)
    >>> classifier.fit(X, y).predict(X).shape
    (100, 5)
    """

    def __init__(
        self,
        head: str = "sigmoid",
        *,
        head_options: Mapping[str, Any] | None = None,
        decision: str = "auto",
        decision_options: Mapping[str, Any] | None = None,
        backbone: str = "mlp",
        backbone_options: Mapping[str, Any] | None = None,
        widths: Sequence[int] | int = (256, 256),
        dropout: float = 0.5,
        activation: str = "relu",
        normalization: str = "batch",
        text: str | None = None,
        text_options: Mapping[str, Any] | None = None,
        weighting: str = "auto",
        optimizer: str = "adamw",
        lr: float = 2e-3,
        weight_decay: float = 0.01,
        schedule: str = "cosine",
        max_epochs: int = 60,
        batch_size: int = 64,
        monitor: str = "jaccard_samples",
        patience: int | None = None,
        val_fraction: float = 0.2,
        n_seeds: int = 1,
        device: str | torch.device = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.head = head
        self.head_options = head_options
        self.decision = decision
        self.decision_options = decision_options
        self.backbone = backbone
        self.backbone_options = backbone_options
        self.widths = widths
        self.dropout = dropout
        self.activation = activation
        self.normalization = normalization
        self.text = text
        self.text_options = text_options
        self.weighting = weighting
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.monitor = monitor
        self.patience = patience
        self.val_fraction = val_fraction
        self.n_seeds = n_seeds
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train on features (N, D), dense or sparse, and label sets.

        Args:
            X: features, of which NaN is a missing value; or texts.
            y: zeros and ones, (N, K), dense or sparse; or a list of lists of labels; or, (N,), the one
                class of each row. (N, 1) of zeros and ones is one label, which a row has or has not.

        Raises:
            ValueError: unusable data, or an unknown or unsuitable setting.
            TrainingError: the loss is no longer finite.
        """
        features, self._targets = self._validated(X, y)
        self.classes_ = self._targets.labels
        configs = configs_of(self)
        named = getattr(self, "feature_names_in_", range(features.shape[1]))
        dataset = self._texts.dataset(features, self._targets, named, self.weighting)
        splits = [self._hold_out(dataset, own.seed) for own in configs]
        self.held_out_ = np.zeros((len(splits), dataset.n_samples), dtype=bool)
        for own, split in zip(self.held_out_, splits, strict=True):
            own[split.val] = True
        bags = BACKBONES[self.backbone].takes_bags
        scalings = [fit_scaling(dataset, split.train, bags) for split in splits]
        if typed("verbose", self.verbose, int):
            shown = dataclasses.replace(splits[0], test=splits[0].val[:0])
            print(describe(dataset, shown, scaling=scalings[0]).text())
        if self._texts.is_fitted:
            used = np.flatnonzero(np.any([scaling.used for scaling in scalings], axis=0))
            dataset = dataset.with_columns(used)
            scalings = [scaling.with_columns(used) for scaling in scalings]
            self._texts.names = dataset.feature_names
        device = device_of(str(self.device))
        known = known_labels(dataset, splits)
        model = build_model(configs, dataset.sample_shape, known, device, scalings)
        names = (dataset.label_names, dataset.feature_names)
        rule = build_decision(
            self.decision,
            natural_threshold=model.head.natural_threshold(dataset.n_labels),
            **mapping("decision_options", self.decision_options),
        )
        predictor = Predictor(model, scalings, rule, *names)
        training = Training(
            model,
            ResidentData(
                dataset, scalings, device, bags=bags, keep_sparse=model.backbone.takes_sparse
            ),
            splits,
            OPTIMIZERS[self.optimizer](
                model.parameters(), [own.optimizer for own in configs], model.without_axis
            ),
            [own.trainer for own in configs],
            [own.seed for own in configs],
        )
        epochs = [epoch.values for epoch in training]
        for error in training.failures.values():
            raise error
        self.history_ = {
            name: np.stack([values[name].cpu().numpy() for values in epochs]) for name in epochs[0]
        }
        model.zero_grad()
        # As whoever calls `predictor_.model` expects: no dropout, no batch statistics.
        model.eval()
        predictor.fit_rule(dataset.features, dataset.targets, self.held_out_)
        self.predictor_ = predictor
        return self

    def predict(self, X: Any) -> Any:
        """Label sets in the form that `fit` was given: zeros and ones, lists, or one class a row."""
        features = self._features(X)
        decided = self.predictor_.predict(features)
        if self._targets.form != "classes":
            return self._targets.decode(decided)
        candidates = decided | ~decided.any(axis=1, keepdims=True)
        scores = np.where(candidates, self.predictor_.scores(features), -1.0)
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """What the head scores each label with: (N, K).

        Where `fit` was given one class for each row, as shares that sum to one: (N, classes).
        """
        features = self._features(X)
        scores = self.predictor_.scores(features)
        if self._targets.form != "classes":
            return scores
        total = scores.sum(axis=1, keepdims=True)
        return np.where(total > 0, scores / np.where(total > 0, total, 1), 1 / scores.shape[1])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Subset accuracy, as scikit-learn's multi-label classifiers; accuracy for classes."""
        predicted = self.predict(X)
        y = self._targets.encoded(y)
        if self._targets.form == "lists":
            predicted = self._targets.encoded(predicted)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _hold_out(self, dataset: Dataset, seed: int) -> Split:
        """Each network has its own, so that together they train on all rows."""
        n_samples = dataset.n_samples
        fraction = max(self.val_fraction, 1 / n_samples)
        train, val = hold_out(dataset, np.arange(n_samples), fraction, seed)
        return Split(train, val, val)

    def _validated(self, X: Any, y: Any) -> tuple[Any, Targets]:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        options = mapping("text_options", self.text_options)
        self._texts = TextInput(self.text, text_options(options))
        features = self._features(X, reset=True)
        targets = encode(y)
        if len(targets.multi_hot) != features.shape[0]:
            raise ValueError(
                f"X has {features.shape[0]} rows and y {len(targets.multi_hot)}: give as many."
            )
        return features, targets

    def _features(self, X: Any, reset: bool = False) -> Any:
        if not reset:
            check_is_fitted(self)
        if isinstance(X, Iterator):
            X = list(X)
        texts = self._texts.texts(X)
        if texts is not None and (reset or self._texts.is_fitted):
            return self._texts.counts(texts)
        if self._texts.is_fitted:
            raise DataError("X holds no texts, and the classifier was fitted on texts: give texts.")
        X = features_of(X)
        try:
            with np.errstate(over="ignore"):
                validated = validate_data(
                    self,
                    X,
                    reset=reset,
                    accept_sparse="csr",
                    dtype=np.float32,
                    ensure_all_finite="allow-nan",
                    ensure_min_samples=2 if reset else 1,
                )
        except (ValueError, TypeError, OverflowError) as error:
            refuse(X, error)
            raise
        return validated.tocsr() if issparse(validated) else validated

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags
