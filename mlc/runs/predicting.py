"""Predictions of a finished run for files of new rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from mlc.config.errors import ConfigError
from mlc.config.texts import counted, counted_of, listed
from mlc.data.base import SOURCES
from mlc.data.card import card_lines, share
from mlc.data.image_files import broken_text, find_images, refuse_broken
from mlc.data.image_folders import note_on_others
from mlc.data.label_cells import join_labels
from mlc.data.unlabelled import read_features, read_texts
from mlc.files.names import STATUS
from mlc.runs.loaded import LoadedRun
from mlc.runs.loading import load


@dataclass(frozen=True)
class NewRows:
    """Rows to predict.

    Attributes:
        features: of the rows that can be read.
        files: all rows' images; None for other rows.
        broken: the reasons why images cannot be read, by their index among the files.
    """

    features: Any
    files: list[Path] | None = None
    broken: Mapping[int, str] = field(default_factory=dict)


def predict(
    run: Path,
    file: Path | Sequence[Path],
    rule: str | None = None,
    device: str = "auto",
    *,
    skip_broken: bool = False,
) -> pd.DataFrame:
    """Return a row per row of the file: its number from 1, its labels, the scores as score:LABEL.

    For a run on images, `file` may be several images, folders and tables, and a column "file" follows
    the number. With `skip_broken`, an image that cannot be decoded has missing labels and scores, and a
    column "error" at the end gives the reason; without, it is refused.

    The labels are separated by ;, as data=table reads with data.separator=";". A label that contains a ;
    or could be read as no label is in double quotes.

    Raises:
        MlcError: the run or the file cannot be used.
    """
    loaded = load(run, rule, device)
    files = [Path(file)] if isinstance(file, (str, Path)) else [Path(one) for one in file]
    return table_of(loaded, read_rows(loaded, files, skip_broken))


def read_rows(loaded: LoadedRun, files: Sequence[Path], skip_broken: bool = False) -> NewRows:
    """Read the rows to predict.

    Raises:
        MlcError: a file is the folder of another run, cannot be read, or is a broken image that is not
            to be skipped; or there are several files, or images to skip, for a run on other data.
    """
    _refuse_runs(files)
    data, raw = loaded.config.data, loaded.raw
    if loaded.image_shape:
        read: Any = SOURCES[data.name].read_samples  # type: ignore[attr-defined]
        pixels, images, broken = read(files, data, loaded.image_shape)
        if not skip_broken:
            refuse_broken(broken, images, ", or give --skip-broken to leave their labels empty")
        return NewRows(loaded.inputs(pixels), images, broken)
    if skip_broken:
        raise ConfigError(
            "--skip-broken is for images, which the run was not trained on: remove it."
        )
    if len(files) > 1:
        raise ConfigError(
            f"The run was not trained on images: give one file instead of {len(files)}."
        )
    if raw is not None and not raw.shape:
        return NewRows(loaded.inputs(read_texts(files[0], data.name, data)))
    names = loaded.feature_names if raw is None else raw.names
    read_columns = read_features(files[0], data.name, data, names, loaded.label_names)
    return NewRows(loaded.inputs(read_columns))


def _refuse_runs(files: Sequence[Path]) -> None:
    """Refuse folders of runs among the files: a prediction is that of one run."""
    runs = [file for file in files if (file / STATUS).is_file()]
    if runs:
        raise ConfigError(
            f"{runs[0]} is the folder of a run, and a prediction is that of one run: give one run, then"
            " its files, and repeat the command with another --output for each further run."
        )


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
        are = "is" if missing == 1 else "are"
        kinds += f"; {counted(missing, 'value')} {are} missing" if missing else ""
    n_labels, n_rows = len(loaded.label_names), features.shape[0]
    lines = [
        ("features", kinds),
        ("labels", f"{n_labels:,}: {listed(loaded.label_names, 5)}"),
        ("model", f"{loaded.config.head.name}, decided by the rule {loaded.rule!r}"),
    ]
    return card_lines(f"{name}: {counted(n_rows, 'row')} to predict", lines)


def note_on_broken(rows: NewRows) -> str | None:
    """Return a warning that names the images without a prediction; None if there is none."""
    if not rows.broken or rows.files is None:
        return None
    have = counted_of(len(rows.broken), len(rows.files), "image", "have")
    return (
        f"Warning: {have} no prediction, and empty labels and scores:"
        f" {broken_text(rows.broken, rows.files)}."
    )


def note_on_other_files(files: Sequence[Path]) -> str | None:
    """Return a note on files in folders of images that do not end as images do; None without any."""
    folders = [file for file in files if file.is_dir()]
    return note_on_others([other for folder in folders for other in find_images(folder)[1]])


def note_on_empty_rows(features: Any, of_texts: bool) -> str | None:
    """Return a warning that names sparse rows without any value; None if there is none.

    Args:
        features: (N, D).
        of_texts: whether a feature counts a word.
    """
    if not issparse(features):
        return None
    empty = np.flatnonzero(np.diff(features.tocsr().indptr) == 0) + 1
    if not len(empty):
        return None
    named = listed([str(row) for row in empty], 5)
    is_one = len(empty) == 1
    hold = counted_of(len(empty), features.shape[0], "row", "hold")
    content = "no word of the training" if of_texts else "no value but 0"
    labels = "its labels" if is_one else "their labels are the same for each, and"
    them = "it" if is_one else "them"
    return f"Warning: {hold} {content} (row {named}): {labels} say nothing about {them}."


def table_of(loaded: LoadedRun, rows: NewRows) -> pd.DataFrame:
    """Return the number, perhaps the file, the labels and the scores of each row."""
    names = np.array(loaded.label_names, dtype=object)
    labels = [join_labels(names[row].tolist()) for row in loaded.predict(rows.features)]
    table = pd.DataFrame({"labels": labels})
    # The prefix prevents a clash with a label called "row".
    columns = [f"score:{name}" for name in names]
    scores = pd.DataFrame(loaded.scores(rows.features), columns=columns)
    table = pd.concat([table, scores], axis=1)
    n_rows = len(table) + len(rows.broken)
    table.index = pd.Index([row for row in range(n_rows) if row not in rows.broken])
    table = table.reindex(range(n_rows))
    if rows.files is not None:
        table.insert(0, "file", list(map(str, rows.files)))
    table.insert(0, "row", range(1, n_rows + 1))
    if rows.broken:
        table["error"] = [rows.broken.get(row, "") for row in range(n_rows)]
    return table
