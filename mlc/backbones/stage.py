"""What a backbone does with samples before the training: its preprocessing, and frozen features."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import Tensor, nn

from mlc.backbones.base import BACKBONES
from mlc.backbones.frozen import FrozenOptions
from mlc.backbones.single import torch_seeded
from mlc.config.errors import ConfigError, DataError
from mlc.data.base import Dataset, RawSamples
from mlc.data.cache import remembered_parts
from mlc.data.files import sha256_of
from mlc.data.image_input import refuse_bytes

# Texts, or an array (N, *sample_shape).
Samples = Sequence[str] | NDArray[Any]
# Called with the number of finished parts and that of all.
Report = Callable[[int, int], None]

# To be raised when this module computes other values; a hash of the file would change too often for
# features that took hours.
_VERSION = "features 1"
# Rows of an entry in the cache; a process that is killed loses the work on one.
ROWS_OF_PART = 256
# Weights that no file holds are the same in every process.
_SEED = 0


class Stage:
    """The preparation of samples by a backbone, and with `frozen` the features of its network.

    The class of the network may define two static methods:

    - `prepare(samples, options)` returns the inputs of the network, (N, ...), for texts or for samples
      (N, *sample_shape). Integers, except pixels of the type uint8, are numbers of tokens, with -1 after
      the end of a text.
    - `fingerprint(options)` returns a text that changes with the weights and with the preparation.
      Without it, that is a hash of the weights.

    Args:
        options: the options of the backbone.
        device: the device of the frozen network.
    """

    def __init__(self, options: Any, device: torch.device | None = None) -> None:
        self.options, self.device = options, device or torch.device("cpu")
        self._class: type[nn.Module] = BACKBONES[options.name].network_class  # type: ignore[attr-defined]
        self._network: nn.Module | None = None

    @property
    def frozen(self) -> bool:
        """Whether the features of the network take the place of the samples."""
        return bool(getattr(self.options, "frozen", False))

    def prepared(self, samples: Samples) -> NDArray[Any]:
        """Return the inputs of the network for samples: (N, ...)."""
        prepare = getattr(self._class, "prepare", None)
        if prepare is not None:
            return np.asarray(prepare(samples, self.options))
        if not isinstance(samples, np.ndarray):
            raise ConfigError(
                f"The backbone {self.options.name!r} takes no texts: choose backbone=pretrained, or give"
                " its class a method prepare(samples, options)."
            )
        return samples

    def fingerprint(self, sample: Samples) -> str:
        """Return a text that changes with the weights and with the preparation.

        `sample` holds at least one sample, for the shape of the network's input.
        """
        declared = getattr(self._class, "fingerprint", None)
        text = self._of_weights(sample) if declared is None else declared(self.options)
        return f"{self.options.name} {self.frozen} {text}"

    def _of_weights(self, sample: Samples) -> str:
        """Hash the file of the class, weights, buffers, and attributes that are numbers or texts."""
        digest = hashlib.sha256(sha256_of(Path(inspect.getfile(self._class))))
        network = self.network(self.prepared(sample[:1]).shape[1:])
        tensors = [*network.named_parameters(), *network.named_buffers()]
        for name, value in sorted(tensors, key=lambda named: named[0]):
            array = value.detach().cpu().numpy()
            digest.update(f"{name}{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
        for name, module in network.named_modules():
            plain = {k: v for k, v in sorted(vars(module).items()) if _is_plain(v)}
            digest.update(f"{name} {plain}".encode())
        of_training = {field.name for field in dataclasses.fields(FrozenOptions)}
        own = {k: v for k, v in vars(self.options).items() if k not in of_training}
        return f"{digest.hexdigest()} {own}"

    def apply(
        self, samples: Samples, report: Report = lambda done, total: None
    ) -> tuple[NDArray[Any], str]:
        """Compute what the runs are trained on, in parts that are cached.

        Args:
            samples: texts, or an array (N, *sample_shape).
            report: is called after each part.

        Returns:
            With `frozen` the features (N, D), else the prepared samples (N, ...); and their digest.
        """
        return self.apply_as(self.fingerprint(samples), samples, report)

    def apply_as(
        self, fingerprint: str, samples: Samples, report: Report
    ) -> tuple[NDArray[Any], str]:
        """Do what `apply` does, with the fingerprint that `fingerprint` has returned."""
        rows = [slice(i, i + ROWS_OF_PART) for i in range(0, len(samples), ROWS_OF_PART)]
        version = f"{_VERSION} {fingerprint}"
        digests = [_digest(samples[part]) for part in rows]
        parts = remembered_parts(
            version,
            digests,
            lambda number: {"values": self.compute(samples[rows[number]], rows[number].start)},
            lambda done: report(done, len(rows)),
        )
        digest = hashlib.sha256(version.encode() + b"".join(digests)).hexdigest()
        return np.concatenate([part["values"] for part in parts]), digest

    def compute(self, samples: Samples, first_row: int = 0) -> NDArray[Any]:
        """Compute what `apply` returns for these samples, which begin at `first_row`, without the cache.

        Raises:
            DataError: a feature is infinite or no number.
        """
        inputs = self.prepared(samples)
        if not self.frozen or not len(inputs):
            return inputs
        network = self.network(inputs.shape[1:])
        # Texts of similar length pass together, which leaves less padding.
        order = np.argsort(_lengths(inputs), kind="stable")
        features: NDArray[np.float32] | None = None
        with torch.inference_mode():
            for first in range(0, len(order), self.options.frozen_batch):
                rows = order[first : first + self.options.frozen_batch]
                outputs = network(as_batch(inputs[rows], self.device)).float().cpu().numpy()
                if features is None:
                    features = np.empty((len(inputs), outputs.shape[1]), dtype=np.float32)
                features[rows] = outputs
        assert features is not None
        self._require_finite(features, first_row)
        return features

    def _require_finite(self, features: NDArray[np.float32], first_row: int) -> None:
        # Behind the features, a value that is no number would count as missing.
        wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(wrong):
            raise DataError(
                f"The frozen backbone {self.options.name!r} computes an infinite feature, or one that is"
                f" no number, from sample {first_row + int(wrong[0]) + 1:,}: correct it, or the network."
            )

    def on_scale(self, samples: NDArray[Any], trained_on: str) -> NDArray[Any]:
        """Return samples as numbers on the scale of the training.

        A network with a method `prepare` decides by it which samples it takes.

        Args:
            samples: (N, *sample_shape).
            trained_on: what the samples of the training were, as in `mlc.data.Dataset.samples`.

        Raises:
            DataError: the images are bytes and those of the training were not, or the reverse with
                numbers outside [0, 1].
        """
        if hasattr(self._class, "prepare"):
            return samples
        if trained_on == "pixels" and samples.dtype != np.uint8:
            if samples.dtype.kind != "f" or not ((samples >= 0) & (samples <= 1)).all():
                raise DataError(
                    f"The images are of the type {samples.dtype}, and those of the training were bytes:"
                    " give bytes (uint8), or floats in [0, 1]."
                )
        elif trained_on == "columns" and samples.dtype.kind in "biu":
            if samples.ndim > 2:
                refuse_bytes(samples)
            return samples.astype(np.float32)
        return samples

    def network(self, shape: tuple[int, ...]) -> nn.Module:
        """Return the network for prepared samples of this shape, in evaluation mode."""
        if self._network is None:
            with torch_seeded(_SEED):
                network = self._class(shape, self.options)
            self._network = network.eval().requires_grad_(False).to(self.device)
        return self._network


def _is_plain(value: Any) -> bool:
    """Whether the text of a value says all about it."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, str))


def stage_of(options: Any, device: torch.device | None = None) -> Stage | None:
    """Return the stage before the training for the options of a backbone; None if it has none."""
    network = getattr(BACKBONES[options.name], "network_class", None)
    if hasattr(network, "prepare") or getattr(options, "frozen", False):
        return Stage(options, device)
    return None


def staged(dataset: Dataset, stage: Stage, report: Report = lambda done, total: None) -> Dataset:
    """Return the data set that the runs train on: of prepared samples, or of frozen features.

    Raises:
        ConfigError: the samples are neither texts nor dense.
    """
    samples = samples_of(dataset)
    fingerprint = stage.fingerprint(samples)
    values, digest = stage.apply_as(fingerprint, samples, report)
    shape = values.shape[1:]
    n_values = int(np.prod(shape))
    is_float = values.dtype.kind == "f"
    what = "texts" if dataset.texts is not None else "samples"
    if stage.frozen:
        note = (
            f"The features are {n_values:,} numbers that the frozen backbone {stage.options.name!r}"
            f" computes from the {what}."
        )
    else:
        note = f"The backbone {stage.options.name!r} has prepared the {what}."
    return dataclasses.replace(
        dataset,
        features=values.reshape(len(values), n_values),
        feature_names=tuple(map(str, range(n_values))) if is_float else (),
        numeric=np.full(n_values, stage.frozen),
        truth=None,
        vocabulary=None,
        weighting=None,
        notes=(note, *dataset.notes),
        sample_shape=shape,
        texts=None,
        digest=digest,
        raw=RawSamples(
            () if dataset.texts is not None else dataset.sample_shape,
            () if dataset.texts is not None else dataset.feature_names,
            fingerprint,
            dataset.samples,
        ),
    )


def samples_of(dataset: Dataset) -> Samples:
    """Return the samples that a backbone prepares: the texts, or an array (N, *sample_shape).

    Raises:
        ConfigError: the samples are sparse rows without texts.
    """
    if dataset.texts is not None:
        return dataset.texts
    if issparse(dataset.features):
        raise ConfigError(
            f"The data set {dataset.name!r} holds sparse columns without their texts, which this"
            " backbone cannot take: name a file with data=table data.text=COLUMN."
        )
    features: Any = dataset.features
    return np.asarray(features).reshape(-1, *dataset.sample_shape)


def as_batch(inputs: NDArray[Any], device: torch.device) -> Tensor:
    """Return inputs on the device as in a batch of the training: pixels as floats in [0, 1]."""
    batch = torch.from_numpy(np.ascontiguousarray(inputs)).to(device)
    if inputs.dtype == np.uint8:
        return batch.float().div_(255)
    return batch.float() if inputs.dtype.kind == "f" else batch.long()


def _lengths(inputs: NDArray[Any]) -> NDArray[np.int64]:
    """Return the number of tokens of each row; 0 if rows are not tokens."""
    if inputs.dtype.kind == "i" and inputs.ndim == 2:
        return np.asarray((inputs >= 0).sum(axis=1))
    return np.zeros(len(inputs), dtype=np.int64)


def _digest(samples: Samples) -> bytes:
    digest = hashlib.sha256()
    if isinstance(samples, np.ndarray):
        digest.update(f"{samples.shape}{samples.dtype}".encode())
        digest.update(np.ascontiguousarray(samples).data)
    else:
        for text in samples:
            content = text.encode("utf-8", "surrogatepass")
            digest.update(f"{len(content)} ".encode() + content)
    return digest.digest()
