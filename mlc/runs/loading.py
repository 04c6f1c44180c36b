"""Loading a finished run as a predictor.

Nothing in a run's folder is executed: weights are safetensors, arrays are read without pickle, and
the config's values pass the same checks as those of a command line.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlc.config.errors import MlcError, RunFolderError
from mlc.config.quoting import literal
from mlc.config.schema import GROUPS, Config, parse
from mlc.data.preprocessing import Scaling
from mlc.decisions.base import DECISIONS, DecisionRule
from mlc.files.names import CHECKPOINT, RULES, STATUS
from mlc.files.reading import check_weights, weight_shapes
from mlc.runs.folder import read_finished, read_stored
from mlc.runs.loaded import LoadedRun
from mlc.runs.parts import require_parts
from mlc.runs.preprocessing import (
    known_labels_of,
    raw_samples_of,
    read_preprocessing,
    sample_shape_of,
)
from mlc.runs.provenance import flatten, with_rules
from mlc.training.assembly import build_model, device_of
from mlc.training.bounded import NoLarger
from mlc.training.checkpoint import load_run

_MOST_VALUES = 100_000  # OmegaConf needs seconds for this many.


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
        runs = sorted(path.parent for path in folder.rglob(STATUS))
        finished = next((run for run in runs if read_finished(run) is not None), None)
        example = "" if finished is None else f", such as {finished}"
        raise RunFolderError(f"{folder} holds no finished run: name the folder of one{example}.")
    require_parts(folder, status)
    try:
        config = config_of(status["config"])
    except MlcError as error:
        raise type(error)(f"{folder / STATUS}: {error}") from error
    config = _with_network_of(folder, config)
    try:
        loaded = _load(folder, config, rule, device)
    except MlcError:
        raise
    # For damaged files each library raises its own errors.
    except Exception as error:
        raise RunFolderError(
            f"{folder} does not hold what a run writes ({type(error).__name__}: {error}): train it"
            " again."
        ) from error
    loaded.status = status
    return loaded


def _with_network_of(folder: Path, config: Config) -> Config:
    """Name the folder of a pretrained network by its path from here.

    A relative path was given in the working folder of the training, which is usually above the run's.
    """
    backbone = config.backbone
    model = getattr(backbone, "model", None) if backbone.name == "pretrained" else None
    if not model or Path(model).expanduser().is_dir():
        return config
    near = [above / model for above in folder.absolute().parents if (above / model).is_dir()]
    if not near:
        return config
    return dataclasses.replace(config, backbone=dataclasses.replace(backbone, model=str(near[0])))


def _load(folder: Path, config: Config, rule: str | None, device: str) -> LoadedRun:
    arrays = read_preprocessing(folder)
    stored = weight_shapes(folder / CHECKPOINT)
    with NoLarger(folder / CHECKPOINT, stored):
        shape = sample_shape_of(arrays)
        model = build_model([config], shape, known_labels_of(arrays), device_of(device))
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in model.state_dict().items()}
    check_weights(folder / CHECKPOINT, stored, shapes)
    load_run(model, folder)
    # No dropout and no batch statistics, also for callers of the model itself.
    model.eval()
    decision = _rule(folder, rule, config)
    weighting = str(arrays.get("weighting", "")) or None
    least = arrays.get("least")
    scaling = Scaling(arrays["shift"], arrays["scale"], weighting, least=least)
    labels, features = (arrays[key].tolist() for key in ("label_names", "feature_names"))
    samples = str(arrays.get("samples", "columns"))
    loaded = LoadedRun(model, [scaling], decision, labels, features, shape, samples)
    loaded.config, loaded.raw = config, raw_samples_of(arrays)
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
    parts = {group: registry.schema(stored[group]["name"])() for group, registry in GROUPS.items()}
    schema = OmegaConf.structured(Config(**parts))
    # A label may be called ${...}; nothing is resolved.
    stored = literal(stored)
    # Rules that the run does not report need not be known.
    known = [*DECISIONS, *stored["decisions"]]
    merged = OmegaConf.merge(schema, OmegaConf.create(with_rules(stored, known)))
    assert isinstance(merged, DictConfig)
    return parse(merged)


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
