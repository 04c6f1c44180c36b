"""Predictions of a finished run for files of new rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from mlc.config.errors import ConfigError
from mlc.config.texts import listed
from mlc.data.base import SOURCES
from mlc.data.card import card_lines, share
from mlc.data.label_cells import join_labels
from mlc.data.unlabelled import read_features, read_texts
from mlc.runs.loaded import LoadedRun
from mlc.runs.loading import load


def predict(
    run: Path, file: Path | Sequence[Path], rule: str | None = None, device: str = "auto"
) -> pd.DataFrame:
    """Return a row per row of the file: its number from 1, its labels, the scores as score:LABEL.

    For a run on images, `file` may be several images, folders and tables, and a column "file" follows
    the number.

    The labels are separated by ;, as data=table reads with data.separator=";". A label that contains a ;
    or could be read as no label is in double quotes.

    Raises:
        MlcError: the run or the file cannot be used.
    """
    loaded = load(run, rule, device)
    return table_of(loaded, *read_rows(loaded, [file] if isinstance(file, (str, Path)) else file))


def read_rows(loaded: LoadedRun, files: Sequence[Path]) -> tuple[Any, list[Path] | None]:
    """Return the features of the rows to predict, and their files if these are images."""
    data, raw = loaded.config.data, loaded.raw
    if loaded.image_shape:
        read: Any = SOURCES[data.name].read_samples  # type: ignore[attr-defined]
        pixels, images = read(files, data, loaded.image_shape)
        return loaded.inputs(pixels), images
    if len(files) > 1:
        raise ConfigError(
            f"The run was not trained on images: give one file instead of {len(files)}."
        )
    if raw is not None and not raw.shape:
        return loaded.inputs(read_texts(files[0], data.name, data)), None
    names = loaded.feature_names if raw is None else raw.names
    read_columns = read_features(files[0], data.name, data, names, loaded.label_names)
    return loaded.inputs(read_columns), None


def card_of(loaded: LoadedRun, features: Any, name: str) -> str:
    """Describe the rows to be predicted and the model."""
    scaling = loaded.scalings[0]
    kinds = f"{int(scaling.used.sum()):,}, as in training"
    if loaded.samples != "columns":
        kinds = f"{loaded.samples}, a row is {' x '.join(map(str, loaded.sample_shape))}"
    elif issparse(features):
        kinds += f"; sparse, {features.nnz / features.shape[0]:.1f} nonzero values per row"
        empty = int((np.diff(features.tocsr().indptr) == 0).sum())
        kinds += f"; {share(empty, features.shape[0])} of the rows hold none of them"
    else:
        n_scaled = int((scaling.used & ((scaling.shift != 0) | (scaling.scale != 1))).sum())
        kinds += f"; {n_scaled:,} of them standardised"
        missing = int(np.isnan(features[:, scaling.used]).sum())
        kinds += f"; {missing:,} values are missing" if missing else ""
    n_labels, n_rows = len(loaded.label_names), features.shape[0]
    lines = [
        ("features", kinds),
        ("labels", f"{n_labels:,}: {listed(loaded.label_names, 5)}"),
        ("model", f"{loaded.config.head.name}, decided by the rule {loaded.rule!r}"),
    ]
    return card_lines(f"{name}: {n_rows:,} row{'s' * (n_rows != 1)} to predict", lines)


def note_on_empty_rows(features: Any) -> str | None:
    """Return a warning that names sparse rows without any value; None if there is none."""
    if not issparse(features):
        return None
    empty = np.flatnonzero(np.diff(features.tocsr().indptr) == 0) + 1
    if not len(empty):
        return None
    named = listed([str(row) for row in empty], 5)
    return (
        f"Warning: {len(empty):,} of {features.shape[0]:,} rows hold no word or value of the training"
        f" (row {named}): their labels are the same for each, and say nothing about them."
    )


def table_of(loaded: LoadedRun, features: Any, files: Sequence[Path] | None) -> pd.DataFrame:
    """Return the number, perhaps the file, the labels and the scores of each row."""
    names = np.array(loaded.label_names, dtype=object)
    labels = [join_labels(names[row].tolist()) for row in loaded.predict(features)]
    first = pd.DataFrame({"row": range(1, len(labels) + 1), "labels": labels})
    if files is not None:
        first.insert(1, "file", list(map(str, files)))
    # The prefix prevents a clash with a label called "row".
    columns = [f"score:{name}" for name in names]
    scores = pd.DataFrame(loaded.scores(features), columns=columns)
    return pd.concat([first, scores], axis=1)
