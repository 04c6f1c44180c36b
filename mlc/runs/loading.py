"""Loading a finished run as a predictor, and storing its preprocessing and names.

Nothing in a run's folder is executed: weights are safetensors, arrays are read without pickle, and
the config's values pass the same checks as those of a command line.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlc.backbones.stage import Stage, stage_of
from mlc.config.errors import DataError, MlcError, RunFolderError
from mlc.config.schema import GROUPS, Config, parse
from mlc.data.base import SAMPLES, SOURCES, Dataset, RawSamples
from mlc.data.feature_rows import as_texts
from mlc.data.image_input import as_paths, images_in
from mlc.data.preprocessing import Scaling
from mlc.data.splits import Split
from mlc.data.text import TextOptions, count_words
from mlc.decisions.base import DECISIONS, DecisionRule
from mlc.evaluation.predictor import Predictor, Voters
from mlc.files.names import CHECKPOINT, PREPROCESSING, RULES
from mlc.files.reading import check_weights, read_arrays, weight_shapes
from mlc.files.writing import write_atomically
from mlc.heads.base import KnownLabels
from mlc.runs.folder import read_finished, read_stored
from mlc.runs.parts import require_parts
from mlc.runs.provenance import flatten, with_rules
from mlc.training.assembly import build_model, device_of
from mlc.training.bounded import NoLarger
from mlc.training.checkpoint import load_run

Arrays = Mapping[str, NDArray[Any]]

_MOST_VALUES = 100_000  # OmegaConf needs seconds for this many.


class LoadedRun(Predictor):
    """A finished run, ready to predict.

    Attributes:
        config: the run's config.
        status: the content of the run's status file.
    """

    config: Config
    status: dict[str, Any]
    raw: RawSamples | None
    _stage: Stage | None = None

    def scores(self, features: Any, voters: Voters = None) -> NDArray[np.float64]:
        """Like the method of `Predictor`; texts or image files may take the place of features."""
        return super().scores(self.inputs(features), voters)

    def predict(self, features: Any, voters: Voters = None) -> NDArray[np.bool_]:
        """Like the method of `Predictor`; texts or image files may take the place of features."""
        return super().predict(self.inputs(features), voters)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape (C, H, W) of the images that the run reads from files; () if it reads none."""
        if not hasattr(SOURCES[self.config.data.name], "read_samples"):
            return ()
        return self.sample_shape if self.raw is None else self.raw.shape

    def inputs(self, features: Any) -> Any:
        """Convert texts, image files, or samples that the backbone prepares, to the model's features.

        Features (N, D) of the model stay as they are.

        Raises:
            DataError: the run was not trained on texts, or not on image files.
            RunFolderError: the backbone has other weights than in the training.
        """
        if self.samples == "pixels" or self.image_shape:
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
        if not isinstance(samples, list):
            samples = np.asarray(samples)
            if samples.shape[1:] == (self.n_features,) or not raw.shape:
                return samples
            if samples[:1].size == math.prod(raw.shape):
                samples = samples.reshape(-1, *raw.shape)
            if samples.shape[1:] != raw.shape:
                raise DataError(
                    f"The samples have the shape {samples.shape[1:]}, and those of the training"
                    f" {raw.shape}: give (N, {', '.join(map(str, raw.shape))})."
                )
        elif raw.shape:
            raise DataError(f"The run was not trained on texts: give samples (N, {raw.shape}).")
        if self._stage is None:
            stage = stage_of(self.config.backbone, next(self.model.parameters()).device)
            assert stage is not None
            if len(samples) and stage.fingerprint(samples) != raw.fingerprint:
                raise RunFolderError(
                    f"The backbone {stage.options.name!r} has other weights or another preparation than"
                    " in the training of the run: restore them, or train the run again."
                )
            self._stage = stage
        return self._stage.compute(samples).reshape(len(samples), -1)

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
        read = getattr(SOURCES[self.config.data.name], "read_samples", None)
        if read is None:
            raise DataError("The run was not trained on image files: give its features.")
        options = copy.copy(self.config.data)
        options.broken = broken or options.broken
        pixels, files = read(paths, options, self.image_shape)
        return pixels, files


def save_preprocessing(folder: Path, dataset: Dataset, split: Split, scaling: Scaling) -> None:
    """Write the scaling, the names, and the label sets that the head may use."""
    outside = np.union1d(split.train, split.val)
    with write_atomically(folder / PREPROCESSING) as file:
        np.savez_compressed(
            file,
            shift=scaling.shift,
            scale=scaling.scale,
            weighting=np.array(scaling.weighting or "", dtype=np.str_),
            feature_names=np.array(dataset.feature_names, dtype=np.str_),
            label_names=np.array(dataset.label_names, dtype=np.str_),
            label_sets=np.unique(dataset.targets[outside], axis=0),
            sample_shape=np.array(dataset.sample_shape, dtype=np.int64),
            samples=np.array(dataset.samples, dtype=np.str_),
            **_of_raw(dataset.raw),
        )


def _of_raw(raw: RawSamples | None) -> dict[str, Any]:
    if raw is None:
        return {}
    return {
        "raw_shape": np.array(raw.shape, dtype=np.int64),
        "raw_names": np.array(raw.names, dtype=np.str_),
        "raw_fingerprint": np.array(raw.fingerprint, dtype=np.str_),
    }


def _raw(arrays: Arrays) -> RawSamples | None:
    if "raw_fingerprint" not in arrays:
        return None
    return RawSamples(
        tuple(map(int, arrays["raw_shape"])),
        tuple(arrays["raw_names"].tolist()),
        str(arrays["raw_fingerprint"]),
    )


def load(folder: str | Path, rule: str | None = None, device: str = "auto") -> LoadedRun:
    """Load a finished run from its folder.

    Args:
        folder: the run's folder, as in "multirun/2026-01-31/12-00-00/yeast/sigmoid/seed=0".
        rule: one of the run's decision rules; by default the first that was tuned on validation rows,
            or the first if there is none.
        device: auto, cpu or cuda.

    Raises:
        RunFolderError: there is no finished run, its files are damaged, or it has no such rule.
        ConfigError: the run uses a head or another part that is not registered.
    """
    folder = Path(folder)
    status = read_finished(folder)
    if status is None:
        raise RunFolderError(f"{folder} holds no finished run: name the folder of one.")
    require_parts(folder, status)
    try:
        config = config_of(status["config"])
        arrays = _arrays(folder / PREPROCESSING)
        stored = weight_shapes(folder / CHECKPOINT)
        with NoLarger(folder / CHECKPOINT, stored):
            shape = _sample_shape(arrays)
            model = build_model([config], shape, _known(arrays), device_of(device))
        shapes = {name: tuple(tensor.shape[1:]) for name, tensor in model.state_dict().items()}
        check_weights(folder / CHECKPOINT, stored, shapes)
        load_run(model, folder)
        # No dropout and no batch statistics, also for callers of the model itself.
        model.eval()
        decision = _rule(folder, rule, config)
        weighting = str(arrays.get("weighting", "")) or None
        scaling = Scaling(arrays["shift"], arrays["scale"], weighting)
        raw = _raw(arrays)
        labels, features = (arrays[key].tolist() for key in ("label_names", "feature_names"))
        samples = str(arrays.get("samples", "columns"))
        loaded = LoadedRun(model, [scaling], decision, labels, features, shape, samples)
    except MlcError:
        raise
    # For damaged files each library raises its own errors.
    except Exception as error:
        raise RunFolderError(
            f"{folder} does not hold what a run writes ({type(error).__name__}: {error}): train it"
            " again."
        ) from error
    loaded.config, loaded.status, loaded.raw = config, status, raw
    return loaded


def config_of(stored: Any) -> Config:
    """Convert the config of a run's status; types, ranges and keys are checked, nothing is resolved.

    Raises:
        MlcError: it is not a config, or a config of another version.
    """
    try:
        return _config_of(stored)
    except MlcError:
        raise
    except (
        OmegaConfBaseException,
        TypeError,
        ValueError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = " ".join(str(error).split())
        raise RunFolderError(
            f"The stored config cannot be used ({type(error).__name__}: {reason}): train the run"
            " again."
        ) from error


def _config_of(stored: Any) -> Config:
    values = flatten(stored)
    n_values = sum(len(value) if isinstance(value, list) else 1 for value in values.values())
    if n_values > _MOST_VALUES:
        raise RunFolderError(
            f"The stored config holds {n_values} values, more than {_MOST_VALUES}: train the run again."
        )
    for key, value in values.items():
        if "${" in str(value):
            raise RunFolderError(f"The stored config's {key} is an interpolation: state its value.")
    parts = {group: registry.schema(stored[group]["name"])() for group, registry in GROUPS.items()}
    schema = OmegaConf.structured(Config(**parts))
    # Rules that the run does not report need not be known.
    known = [*DECISIONS, *stored["decisions"]]
    merged = OmegaConf.merge(schema, OmegaConf.create(with_rules(stored, known)))
    assert isinstance(merged, DictConfig)
    return parse(merged)


def _arrays(path: Path) -> Arrays:
    arrays = read_arrays(path)
    n_features = len(arrays["shift"])
    # Pixels have no names.
    lengths = {n_features, len(arrays["scale"]), len(arrays["feature_names"]) or n_features}
    if len(lengths) > 1 or arrays["shift"].ndim != 1 or arrays["scale"].ndim != 1:
        raise RunFolderError(
            f"{path} does not hold a scaling of its features: train the run again."
        )
    sets, names = arrays["label_sets"], arrays["label_names"]
    distinct = len(set(names.flat)) == names.size
    if sets.shape[1:] != names.shape or sets.size == 0 or not distinct:
        raise RunFolderError(f"{path} does not hold sets of its labels: train the run again.")
    shape = _sample_shape(arrays)
    if str(arrays.get("samples", "columns")) not in SAMPLES:
        raise RunFolderError(f"{path} states no kind of samples: train the run again.")
    if min(shape, default=0) < 1 or math.prod(shape) != n_features:
        raise RunFolderError(
            f"{path} states samples of shape {shape} and {n_features} features: train the run again."
        )
    return arrays


def _known(arrays: Arrays) -> KnownLabels:
    """Return labels from which the same head is built: one row for each label set."""
    label_sets = torch.as_tensor(arrays["label_sets"].astype(bool))
    return KnownLabels(label_sets, torch.arange(len(label_sets)).unsqueeze(0))


def _sample_shape(arrays: Arrays) -> tuple[int, ...]:
    """Return the shape of a sample; without a stored shape, samples are flat."""
    return tuple(map(int, arrays.get("sample_shape", [len(arrays["shift"])])))


def _rule(folder: Path, name: str | None, config: Config) -> DecisionRule:
    fitted = read_stored(folder / RULES)
    if not fitted:
        raise RunFolderError(f"{folder / RULES} holds no rule: train the run again.")
    tuned = [rule for rule, values in fitted.items() if values["tuned_on"] == "validation"]
    name = name or next(iter([*tuned, *fitted]))
    if name not in fitted:
        raise RunFolderError(
            f"{folder} was not evaluated with the rule {name!r}: choose one of {', '.join(fitted)}."
        )
    return DECISIONS[name](config.decision[name]).restore(fitted[name])
