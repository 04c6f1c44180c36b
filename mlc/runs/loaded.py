"""A finished run that predicts from features, texts, images, or what its backbone takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mlc.backbones.stage import Stage, stage_of
from mlc.config.errors import DataError, RunFolderError
from mlc.config.schema import Config
from mlc.data.base import SOURCES, RawSamples
from mlc.data.feature_rows import as_array, as_texts
from mlc.data.image_input import pixels_of
from mlc.data.text import TextOptions, count_words
from mlc.evaluation.predictor import Predictor, Voters


class LoadedRun(Predictor):
    """A finished run, ready to predict.

    Attributes:
        config: the run's config.
        status: the content of the run's status file.
        raw: what the backbone computed the features from, before the training; None if they are those
            of the data.
    """

    config: Config
    status: dict[str, Any]
    raw: RawSamples | None = None
    _stage: Stage | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape (C, H, W) to which image files are decoded; () if the run was trained on none."""
        if not hasattr(SOURCES[self.config.data.name], "read_samples"):
            return ()
        return self.sample_shape if self.raw is None else self.raw.shape

    def scores(self, features: Any, voters: Voters = None) -> NDArray[np.float64]:
        """Like the method of `Predictor`; texts or images may take the place of features."""
        return super().scores(self.inputs(features), voters)

    def predict(self, features: Any, voters: Voters = None) -> NDArray[np.bool_]:
        """Like the method of `Predictor`; texts or images may take the place of features."""
        return super().predict(self.inputs(features), voters)

    def inputs(self, features: Any) -> Any:
        """Convert texts, images or image files to the features of the model, which stay as they are.

        Images are files, or arrays (N, C, H, W) or (N, H, W, C). Of a data frame a run on texts takes
        the column that it was trained on.

        Raises:
            DataError: the run was not trained on texts, or on samples of this shape, or a data frame
                lacks the column of the texts.
            RunFolderError: the backbone has other weights than in the training.
        """
        features = list(features) if isinstance(features, Iterator) else features
        if self.image_shape:
            pixels = pixels_of(features, self.image_shape, self.config.data)
            return pixels if self.raw is None else self._computed(pixels, self.raw)
        texts = as_texts(self._column_of_texts(features))
        if texts is None:
            form = f"(N, {self.n_features})" if self.raw is None else "(N, D)"
            known = "texts, or their features" if self.takes_texts else "rows of numbers"
            rows = as_array(features, f"{known}, {form}")
            return rows if self.raw is None else self._computed(rows, self.raw)
        if self.raw is not None:
            return self._computed(texts, self.raw)
        options = self.config.data
        if not self.takes_texts:
            raise DataError("The run was not trained on texts: give its features, (N, D).")
        return count_words(texts, options, "texts", self.feature_names)[0]

    def _column_of_texts(self, features: Any) -> Any:
        """Return the column that held the texts, where a run on texts is given a table with names."""
        name = getattr(self.config.data, "text", None)
        columns = [*getattr(features, "columns", [])]
        if not (self.takes_texts and name and any(isinstance(each, str) for each in columns)):
            return features
        if name in columns:
            return features[name]
        # Perhaps the counts of the words.
        if len(columns) == self.n_features:
            return features
        raise DataError(
            f"The data frame has no column {name!r}, which held the texts in the training: give it, or"
            " the texts alone."
        )

    @property
    def takes_texts(self) -> bool:
        """Whether the run was trained on texts."""
        if self.raw is not None:
            return not self.raw.shape
        return isinstance(self.config.data, TextOptions) and self.scalings[0].weighting is not None

    def _computed(self, samples: Any, raw: RawSamples) -> Any:
        """Return what the backbone computes from texts, or from samples of the shape `raw.shape`."""
        if not isinstance(samples, list):
            if samples.shape[1:] == (self.n_features,) or not raw.shape:
                return samples
            if len(samples) and samples[0].size == math.prod(raw.shape):
                samples = samples.reshape(-1, *raw.shape)
            if samples.shape[1:] != raw.shape:
                raise DataError(
                    f"The samples have the shape {samples.shape[1:]}, and those of the training"
                    f" {raw.shape}: give (N, {', '.join(map(str, raw.shape))})."
                )
        elif raw.shape:
            raise DataError("The run was not trained on texts: give its samples.")
        if self._stage is None:
            self._stage = self._checked_stage(samples, raw)
        if isinstance(samples, np.ndarray):
            samples = self._stage.on_scale(samples, raw.samples)
        return self._stage.compute(samples).reshape(len(samples), -1)

    def frozen_network(self, samples: Any) -> tuple[NDArray[Any], nn.Module]:
        """Return prepared samples, and the frozen network that computes the features from these.

        Raises:
            RunFolderError: the backbone has other weights than in the training.
        """
        assert self.raw is not None
        stage = self._checked_stage(samples, self.raw)
        inputs = stage.prepared(samples)
        return inputs, stage.network(inputs.shape[1:])

    def _checked_stage(self, samples: Any, raw: RawSamples) -> Stage:
        stage = stage_of(self.config.backbone, next(self.model.parameters()).device)
        assert stage is not None
        if len(samples) and stage.fingerprint(samples) != raw.fingerprint:
            raise RunFolderError(
                f"The backbone {stage.options.name!r} has other weights or another preparation than in"
                " the training of the run: restore them, or train the run again."
            )
        return stage
