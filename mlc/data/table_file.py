"""Reading a table's file, and the roles of its columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mlc.config.errors import DataError
from mlc.config.quoting import setting
from mlc.config.texts import as_written, listed
from mlc.data.byte_columns import with_texts
from mlc.data.delimited import DelimitedRows, read_rows, require_header, without_empty_end
from mlc.data.encodings import decode
from mlc.data.file_kinds import not_read
from mlc.data.files import OPENERS, require_memory, text_bytes, unreadable
from mlc.data.label_columns import require_columns, separated
from mlc.data.locations import FileName
from mlc.data.text_forms import LabelledTexts, plain_texts, read_labelled_texts

_DELIMITERS = {
    ".csv": ",", ".tsv": "\t", ".txt": "\t", ".tab": "\t", ".dat": "\t", ".data": ",", ".psv": "|",
    ".ft": "\t", ".train": "\t", ".valid": "\t",
}  # fmt: skip
# Default column names for a file of labelled texts.
_LABELS, _TEXT = "labels", "text"


@dataclass(frozen=True)
class TableFile:
    """The columns of a file and their roles.

    Attributes:
        frame: the columns.
        where: the file, for messages.
        labels: the label columns.
        text: the text column.
        notes: assumptions, one sentence each.
    """

    frame: pd.DataFrame
    where: str
    labels: list[str]
    text: str | None
    notes: tuple[str, ...] = ()


def needs_labels(why: str = "") -> DataError:
    """Build the error for missing label columns."""
    return DataError(
        f"{why}data=table needs data.path=FILE and data.labels=[COLUMN], the column that holds label"
        " sets, or several columns of 0 and 1."
    )


def _unnamed_labels(path: Path, columns: Sequence[Any]) -> DataError:
    """Build the error for a table whose label columns are not named."""
    return DataError(
        f"{path} has the columns {listed(list(map(str, columns)), 20)}: name the one that holds label"
        " sets, or those of 0 and 1, by --labels COLUMN (in a config, data.labels=[COLUMN])."
    )


def read_table(path: Path, options: Any, names: Sequence[str] | None = None) -> TableFile:
    """Read a file and assign roles to its columns by the options.

    Args:
        path: the file.
        options: `TableOptions`.
        names: the features needed for prediction; None for a file with labels.

    Raises:
        DataError: the file is missing or of another type, or its rows differ in length.
    """
    mark = _DELIMITERS.get(_ending(path))
    labels, text = list(options.labels), options.text
    if mark is None:
        frame = _read_parquet(path)
        if not labels and names is None:
            raise _unnamed_labels(path, list(frame.columns))
        labels, text = _as_written(labels, text, frame.columns)
        labels, asides = separated(labels, frame.columns)
        _refuse_split_name(labels, list(map(str, frame.columns)), str(path))
        return TableFile(frame, str(path), labels, text or (None if labels else _TEXT), asides)
    content, notes = decode(text_bytes(path), str(path), options.encoding)
    wanted = [text or _TEXT] if text or not labels else list(names or [])
    wanted = [*labels, *([text] if text else [])] if names is None else wanted
    rows = None
    if wanted:
        try:
            rows = read_rows(content, mark, wanted, str(path))
        except DataError:
            if _labelled(content, labels, names) is None:
                raise
    if rows is not None:
        labels, text = _as_written(labels, text, rows.header)
        wanted = as_written(wanted, rows.header)
    rows, labels, asides = _of_separated(rows, content, mark, labels, path, names is None)
    if asides and names is None:
        wanted = [*labels, *([text] if text else [])]
    if rows is None or not set(wanted) & set(rows.header):
        labelled = _labelled(content, labels, names)
        if labelled is not None:
            return _of_texts(labelled, path, labels, text, notes)
    if rows is None or (names is None and not labels):
        header = read_rows(content, mark, (), str(path)).header
        if len(header) > 1:
            raise _unnamed_labels(path, header)
        raise needs_labels(f"{path} is not in fastText's or LibMultiLabel's form, so ")
    _refuse_split_name(labels, rows.header, str(path))
    require_header(rows, _required(wanted, names), str(path))
    if names is None:
        rows = without_empty_end(rows, str(path))
    frame = pd.DataFrame(rows.rows, columns=rows.header, dtype=str)
    where = FileName(str(path), rows.lines)
    return TableFile(_usable(frame, path), where, labels, text or (None if labels else _TEXT),
                     (*notes, *rows.notes, *asides))  # fmt: skip


def _as_written(
    labels: Sequence[str], text: str | None, columns: Iterable[Any]
) -> tuple[list[str], str | None]:
    """Return the names of the label columns and of the text column as the file has them."""
    return as_written(labels, columns), text and as_written([text], columns)[0]


def _of_separated(
    rows: DelimitedRows | None,
    content: str,
    mark: str,
    labels: list[str],
    path: Path,
    needed: bool,
) -> tuple[DelimitedRows | None, list[str], tuple[str, ...]]:
    """Return the rows by the delimiter that yields the label columns, these, and notes.

    A name of no column may hold several names with commas between them (see `separated`), by which the
    delimiter was not chosen.

    Raises:
        DataError: some of them are columns and one is not, where the label columns are needed.
    """
    if rows is None or not any("," in name and name not in rows.header for name in labels):
        return rows, labels, ()
    parts = [part.strip() for name in labels for part in name.split(",")]
    try:
        of_parts = read_rows(content, mark, [*labels, *parts], str(path))
    except DataError:
        return rows, labels, ()
    meant, notes = separated(labels, of_parts.header)
    if needed and not notes and set(parts) & set(of_parts.header):
        _refuse_split_name(labels, of_parts.header, str(path))
        require_columns(labels, of_parts.header, str(path))
    return (of_parts if notes else rows), meant, notes


def _refuse_split_name(labels: Sequence[str], columns: Sequence[str], where: str) -> None:
    """Raise DataError if missing label columns are the parts of one name with commas."""
    wrong = [name for name in labels if name not in columns]
    # Of a name with a comma, only some parts may be no columns themselves.
    for column in columns if wrong else ():
        parts = [part.strip() for part in column.split(",")]
        if len(parts) > 1 and set(parts) <= set(labels):
            raise DataError(
                f"{where}: there is no column {wrong[0]!r}, but {column!r}: quote a name that has a"
                f" comma, as in {setting('data.labels', [column])}."
            )


def _required(wanted: Sequence[str], names: Sequence[str] | None) -> list[str]:
    """Return the columns of the features; a feature COLUMN=VALUE is derived from COLUMN."""
    return (
        list(wanted) if names is None else list(dict.fromkeys(n.partition("=")[0] for n in wanted))
    )


def _labelled(
    content: str, labels: Sequence[str], names: Sequence[str] | None
) -> LabelledTexts | None:
    if len(labels) > 1:
        return None
    labelled = read_labelled_texts(content)
    return (
        plain_texts(content) if labelled is None and names is not None and not labels else labelled
    )


def _of_texts(
    labelled: LabelledTexts, path: Path, labels: list[str], text: str | None, notes: tuple[str, ...]
) -> TableFile:
    names = [labels[0] if labels else _LABELS, text or _TEXT]
    frame = pd.DataFrame(dict(zip(names, (labelled.labels, labelled.texts), strict=True)))
    note = f"Read in {labelled.form}'s form, of labels and a text in each line, without a header."
    where = FileName(str(path), [line + 1 for line in labelled.lines])
    return TableFile(_usable(frame, path), where, names[:1], names[1], (*notes, note))


def _ending(path: Path) -> str:
    return next((s.lower() for s in reversed(path.suffixes) if s.lower() not in OPENERS), "")


def read_frame(path: Path) -> pd.DataFrame:
    """Read the columns of a file, typed (Parquet) or as text (CSV, TSV).

    Raises:
        DataError: the file is missing or of another type, or its rows differ in length.
    """
    mark = _DELIMITERS.get(_ending(path))
    if mark is None:
        return _read_parquet(path)
    content, _ = decode(text_bytes(path), str(path))
    rows = read_rows(content, mark, (), str(path))
    return _usable(pd.DataFrame(rows.rows, columns=rows.header, dtype=str), path)


def _usable(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    if frame.empty and not len(frame.columns):
        raise DataError(f"{path} is empty: give a file with the names of columns and with rows.")
    if frame.empty:
        raise DataError(f"{path} has no row after its first line, which names the columns.")
    if not frame.columns.is_unique:
        twice = str(frame.columns[frame.columns.duplicated()][0])
        if not twice:
            raise DataError(f"{path} has two columns without a name: name them in its first line.")
        raise DataError(f"{path} has two columns {twice!r}: rename one.")
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    if _ending(path) != ".parquet":
        raise not_read(path, ".csv, .tsv or .parquet")
    try:
        if path.is_dir():
            return _with_text(_usable(pd.read_parquet(path), path))
        from pyarrow.parquet import read_metadata

        with path.open("rb") as file:
            metadata = read_metadata(file)
            require_memory(path, 8 * metadata.num_rows * metadata.num_columns, "its table")
            file.seek(0)
            return _with_text(_usable(pd.read_parquet(file), path))
    except DataError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow: pip install pyarrow.") from error
    except Exception as error:
        # For damaged files pyarrow raises many kinds of errors.
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise DataError(f"{path} cannot be read as a Parquet file: {reason}.") from error


def _with_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert texts to Python strings, since pyarrow decodes, and may fail, only on access."""
    texts = [n for n, kind in frame.dtypes.items() if isinstance(kind, pd.StringDtype)]
    return with_texts(frame.astype(dict.fromkeys(texts, object)))
