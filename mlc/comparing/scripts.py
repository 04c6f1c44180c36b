"""The code to take away as a script: the data, and the estimator fitted on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from mlc.comparing.lines import as_list, call, changed, comment, literals
from mlc.comparing.settled import Settled
from mlc.config.registry import BACKBONES, DECISIONS, HEADS, OPTIMIZERS
from mlc.config.schema import TrainerOptions
from mlc.data.base import SOURCES, Dataset, SplitOptions

# Options of the optimiser and of the training that the estimator has as parameters.
_OF_OPTIMIZER = ("lr", "weight_decay", "schedule")
_OF_TRAINER = ("max_epochs", "batch_size", "monitor", "patience")
# Those of the training that change no weights, or only how fast they are computed.
_WITHOUT_EFFECT = ("followed", "cuda_graphs", "compile")
# Options of a source that do not change what is read.
_NOT_READ = {field.name for field in fields(SplitOptions)} | {"name", "title", "obtain", "root"}

_WITHOUT_TEST = 'train = np.setdiff1d(np.arange(data.n_samples), data.parts["test"])'


def estimator_code(
    config: Mapping[str, Any], settled: Settled, defaults: Mapping[str, Any], data: Dataset | None
) -> str:
    """The estimator with the options that differ from its defaults, on the data of the comparison.

    Args:
        config: of one of the runs, nested.
        settled: the head and rule.
        defaults: `MultiLabelClassifier().get_params(deep=False)`.
        data: the data set, for its shape; None where it was not loaded.
    """
    values: dict[str, Any] = {
        "head_options": changed(HEADS, settled.model.name, settled.model.options),
        "decision_options": changed(DECISIONS, settled.chosen, settled.chosen_options),
        **_network_options(config["backbone"]),
        **_optimizer_options(config["optimizer"], defaults),
        **{key: config["trainer"][key] for key in _OF_TRAINER},
        "val_fraction": config["data"]["val_fraction"],
        "weighting": _weighting(config["data"]),
    }
    given = {
        key: value
        for key, value in values.items()
        if value not in (None, {}) and as_list(defaults[key]) != value
    }
    arguments = literals({"decision": settled.chosen, **given, "random_state": 0})
    has_test = data is not None and "test" in data.parts
    return "\n".join([
        *(["import numpy as np"] if has_test else []),
        "from mlc import MultiLabelClassifier",
        *data_lines(config["data"], data),
        *_without_parameter(config),
        call("classifier = MultiLabelClassifier", [repr(settled.model.name)], arguments),
        "classifier.fit(X, y)",
        *new_rows(config["data"]),
        "label_sets = classifier.predict(new)  # (N, K), of data.label_names",
        "",
    ])  # fmt: skip


def constant_code(labels: Sequence[str]) -> str:
    """The label set of every row, where no model is better."""
    return f"{call('LABEL_SET = list', [repr(list(labels))])}  # of every row\n"


def data_lines(options: Mapping[str, Any], data: Dataset | None) -> list[str]:
    """The lines that read X and y as the comparison did, without the rows of a given test part."""
    source = options["name"]
    defaults = SOURCES.schema(source)()
    given = {
        key: value
        for key, value in options.items()
        if key not in _NOT_READ and as_list(getattr(defaults, key)) != as_list(value)
    }
    if options.get("root"):
        given["root"] = options["root"]
    lines = [
        "from mlc.data import load_data",
        "",
        call("OPTIONS = dict", [], literals(given)),
        f"data = load_data({source!r}, **OPTIONS)",
        comment("X: numbers as they are, a column for each category or word, NaN where a value is"
                " missing. y: 0 and 1 for each label."),
    ]  # fmt: skip
    has_test = data is not None and "test" in data.parts
    if hasattr(SOURCES[source], "read_samples"):
        lines[-1] = "# X: images as bytes. y: 0 and 1 for each label."
        images = "data.features.reshape(-1, *data.sample_shape)"
        if not has_test:
            return [*lines, f"X, y = {images}, data.targets"]
        return [*lines, _WITHOUT_TEST, f"X, y = {images}[train], data.targets[train]"]
    if not has_test:
        return [*lines, "X, y = data.features, data.targets"]
    return [
        *lines,
        _WITHOUT_TEST,
        "X, y = data.features[train], data.targets[train]",
    ]


def new_rows(options: Mapping[str, Any]) -> list[str]:
    """The lines that name the rows to predict."""
    if "path" not in options:
        return ["new = X  # or other rows in the same columns"]
    source = options["name"]
    return [
        comment(
            f"Or rows of another file: mlc.data.load_features(FILE, data, {source!r}, **OPTIONS)."
        ),
        "new = X",
    ]


def _weighting(options: Mapping[str, Any]) -> str:
    """How counts enter the network: those of a text by TF-IDF, though none may exceed 1."""
    weighting = str(options.get("weighting", "auto"))
    return "tfidf" if weighting == "auto" and options.get("text") else weighting


def _network_options(backbone: Mapping[str, Any]) -> dict[str, Any]:
    names = ("widths", "dropout", "activation", "normalization")
    if backbone["name"] == "mlp" and not backbone.get("separate"):
        return {key: backbone[key] for key in names}
    options = {key: value for key, value in backbone.items() if key != "name"}
    return {
        "backbone": backbone["name"],
        "backbone_options": changed(BACKBONES, backbone["name"], options),
    }


def _optimizer_options(optimizer: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The optimiser and those of its options that the estimator has."""
    return {
        "optimizer": optimizer["name"],
        **{key: optimizer[key] for key in _OF_OPTIMIZER if key in optimizer and key in defaults},
    }


def _without_parameter(config: Mapping[str, Any]) -> list[str]:
    """A comment that names the options of the runs that the estimator cannot have, if there are any."""
    optimizer = {key: value for key, value in config["optimizer"].items() if key != "name"}
    of_optimizer = changed(OPTIMIZERS, config["optimizer"]["name"], optimizer)
    usual = asdict(TrainerOptions())
    of_trainer = {key: own for key, own in config["trainer"].items() if usual[key] != own}
    lacking = [
        *(
            f"optimizer.{key}={own}"
            for key, own in of_optimizer.items()
            if key not in _OF_OPTIMIZER
        ),
        *(
            f"trainer.{key}={own}"
            for key, own in of_trainer.items()
            if key not in (*_OF_TRAINER, *_WITHOUT_EFFECT)
        ),
        *(f"data.augment={own}" for own in [config["data"].get("augment")] if own),
    ]
    if not lacking:
        return []
    return [
        comment(f"The runs had {', '.join(lacking)} too, for which the estimator has no parameter.")
    ]
