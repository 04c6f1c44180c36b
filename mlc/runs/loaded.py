"""A finished run that predicts from features, texts, images, or what its backbone takes."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.backbones.stage import Stage, stage_of
from mlc.config.errors import DataError, RunFolderError
from mlc.config.schema import Config
from mlc.data.base import SOURCES, RawSamples
from mlc.data.feature_rows import as_texts
from mlc.data.image_input import as_paths, images_in
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
    def takes_files(self) -> bool:
        """Whether the run was trained on image files."""
        return hasattr(SOURCES[self.config.data.name], "read_samples")

    def scores(self, features: Any, voters: Voters = None) -> NDArray[np.float64]:
        """Like the method of `Predictor`; texts or images may take the place of features."""
        return super().scores(self.inputs(features), voters)

    def predict(self, features: Any, voters: Voters = None) -> NDArray[np.bool_]:
        """Like the method of `Predictor`; texts or images may take the place of features."""
        return super().predict(self.inputs(features), voters)

    def inputs(self, features: Any) -> Any:
        """Convert texts, images or image files to the features of the model, which stay as they are.

        Raises:
            DataError: the run was not trained on texts, or on samples of this shape.
            RunFolderError: the backbone has other weights than in the training.
        """
        if self.samples == "pixels" or (self.raw is not None and len(self.raw.shape) == 3):
            features = self._decoded(features)
        texts = as_texts(features)
        if self.raw is not None:
            return self._computed(features if texts is None else texts, self.raw)
        if texts is None:
            return features
        options = self.config.data
        if not isinstance(options, TextOptions) or self.scalings[0].weighting is None:
            raise DataError("The run was not trained on texts: give its features, (N, D).")
        return count_words(texts, options, "texts", self.feature_names)[0]

    def _computed(self, samples: Any, raw: RawSamples) -> Any:
        """Return what the backbone computes from texts, or from samples of the shape `raw.shape`."""
        if not isinstance(samples, list):
            samples = np.asarray(samples)
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
        return self._stage.compute(samples).reshape(len(samples), -1)

    def _checked_stage(self, samples: Any, raw: RawSamples) -> Stage:
        stage = stage_of(self.config.backbone, next(self.model.parameters()).device)
        assert stage is not None
        if len(samples) and stage.fingerprint(samples) != raw.fingerprint:
            raise RunFolderError(
                f"The backbone {stage.options.name!r} has other weights or another preparation than in"
                " the training of the run: restore them, or train the run again."
            )
        return stage

    def _decoded(self, features: Any) -> Any:
        """Return pixels (N, C * H * W) of image files, or of images (N, C, H, W) or (N, H, W, C)."""
        paths = as_paths(features)
        if paths is not None:
            return self.read_images(paths, broken="error")[0]
        shape = self.sample_shape if self.raw is None else self.raw.shape
        if len(shape) == 3 and np.shape(features)[1:] != shape:
            images = images_in(features)
            return features if images is None else images
        return features

    def read_images(
        self, paths: Sequence[Path], broken: str | None = None
    ) -> tuple[Any, list[Path]]:
        """Return the pixels (M, C * H * W) of image files as in training, and the files.

        Args:
            paths: images, folders of images, or tables that name images.
            broken: "error" or "skip"; None is that of the training.

        Raises:
            DataError: the run was not trained on image files, or one cannot be used.
        """
        if not self.takes_files:
            raise DataError("The run was not trained on image files: give its features.")
        read: Any = SOURCES[self.config.data.name].read_samples  # type: ignore[attr-defined]
        options = copy.copy(self.config.data)
        options.broken = broken or options.broken
        shape = self.sample_shape if self.raw is None else self.raw.shape
        pixels, files = read(paths, options, shape)
        return pixels, files
