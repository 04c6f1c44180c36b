"""Data sets in CSV, TSV and Parquet files, and in files of labelled texts."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mlc.config.errors import ConfigError, DataError
from mlc.config.texts import listed
from mlc.data.base import (
    Dataset,
    DataSource,
    SplitOptions,
    Vocabulary,
    register_source,
)
from mlc.data.byte_columns import refuse_bytes
from mlc.data.columns import Encoded, encode_columns, require_units
from mlc.data.files import located
from mlc.data.label_columns import Labels, encode_labels, zero_one_columns
from mlc.data.label_order import labels_as
from mlc.data.label_separators import separator_named
from mlc.data.left_out import (
    ignored,
    repeated_identifiers,
    require_ignored,
    shared_identifiers,
)
from mlc.data.missing_labels import SoftLabelOptions, joined_known, joined_soft
from mlc.data.parts import join_parts
from mlc.data.spotted import alike_labels, empty_texts, repeated_texts, unshared_labels
from mlc.data.table_file import TableFile, needs_labels, read_table
from mlc.data.text import TextOptions, count_words
from mlc.data.unlabelled import values_said
from mlc.data.weighting import weighting_of

_PARTS = {"val": "Validation", "test": "Test"}


@dataclass
class TableOptions(TextOptions, SoftLabelOptions, SplitOptions):
    """Options of tables.

    Attributes:
        path: a .csv, .tsv, .txt or .parquet file, perhaps compressed, whose first line names the
            columns; or a file of labelled texts in the format of fastText or LibMultiLabel, which
            needs neither `labels` nor `text`.
        test_path: file of the test rows; null splits the one file.
        val_path: file of the validation rows beside that of `test_path`; null draws them from the
            training file.
        root: folder of a relative path; null is $MLC_DATA or the working folder.
        title: name of the data set in tables; null is the file's name.
        labels: the column that holds label sets, or several columns of 0 and 1.
        separator: separator of the labels of a set, or "tab", "newline" or "blank"; null infers it.
        encoding: encoding of the file, such as "cp1252"; null detects it.
        text: the column whose words are the features; null takes all other columns.
        ignore: columns that are not features.
        binary_features: whether columns of 0 and 1 beside labels of 0 and 1 are features; otherwise a
            note names them.
    """

    path: str | None = None
    test_path: str | None = None
    val_path: str | None = None
    root: str | None = None
    title: str | None = None
    labels: list[str] = field(default_factory=list)
    separator: str | None = None
    encoding: str | None = None
    text: str | None = None
    ignore: list[str] = field(default_factory=list)
    binary_features: bool = False

    def validate(self, prefix: str) -> None:
        """Check that separator and encoding are valid and that the text is not a label."""
        super().validate(prefix)
        if self.val_path is not None and self.test_path is None:
            raise ConfigError(
                f"{prefix}val_path={self.val_path} needs {prefix}test_path: name the file to test on."
            )
        if self.text is not None and self.text in self.labels:
            raise text_as_label(prefix, self.text)
        if self.separator == "none":
            # A word of data=images; a table without a separator has an inferred one.
            self.separator = None
        if self.separator is not None and self.separator.strip('"') == "":
            raise ConfigError(
                f"{prefix}separator={self.separator!r} parts no labels: name a sign such as ; or leave"
                " it out."
            )
        try:
            codecs.lookup(self.encoding or "utf-8")
        except LookupError as error:
            raise ConfigError(
                f"{prefix}encoding={self.encoding} is unknown: name one such as utf-8 or cp1252."
            ) from error


@register_source("table")
class Table(DataSource):
    """One row per sample: numbers and categories, or a text, and labels."""

    Options = TableOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set.

        All rows of the training file decide which labels, words and categories there are, and which
        columns are numeric. Each run uses only the words and categories of its training rows.
        """
        options.validate("data.")
        if options.path is None:
            raise needs_labels()
        path = located(options.path, options.root)
        train = read_table(path, options)
        if train.text is not None and train.text in train.labels:
            raise text_as_label("data.", train.text)
        require_ignored(options.ignore, train.frame, train.where)
        labels = _encode(train, options)
        encoded = _features(train, options, None)
        features, targets = [encoded.values], [labels.targets]
        known, soft = [labels.known], [labels.soft]
        texts = {"train": _texts(train)}
        frames = {}
        notes = (
            *_further_labels(train, labels, options), *train.notes, *labels.notes, *encoded.notes,
            *alike_labels(labels.names),
            *unshared_labels(labels.targets, labels.names if labels.form else ()),
            *empty_texts(_texts(train), train.where),
        )  # fmt: skip
        others = _part_files(options)
        for part, name in others.items():
            file = read_table(located(name, options.root), options)
            of_part = labels_as(_encode(file, options, labels), labels, file.where)
            targets.append(of_part.targets)
            known.append(of_part.known)
            soft.append(of_part.soft)
            of_file = _features(file, options, encoded.names)
            require_units(of_file, encoded, file.where)
            features.append(of_file.values)
            texts[part] = _texts(file)
            frames[_PARTS[part].lower()] = file.frame
            notes += tuple(
                f"{_PARTS[part]} file: {note}"
                for note in (
                    *file.notes,
                    *of_part.notes,
                    *of_file.notes,
                    *empty_texts(texts[part], file.where),
                )
                if note not in notes
            )
        notes += repeated_texts(texts)
        columns = [name for name in train.frame.columns if name not in train.labels]
        notes += shared_identifiers(train.frame, frames, columns)
        if options.test_path is None:
            left_out = columns if train.text is not None else ignored(options.ignore, train.frame)
            notes += repeated_identifiers(train.frame.filter(items=left_out))
        joined, all_targets, parts = join_parts(features, targets, ("train", *others))
        return Dataset(
            name=options.title or path.name.split(".")[0],
            features=joined,
            targets=all_targets,
            feature_names=tuple(encoded.names),
            label_names=labels.names,
            numeric=encoded.numeric,
            parts=parts,
            vocabulary=_vocabulary(train, options, encoded),
            weighting=_weighting(train, options, joined),
            notes=notes,
            texts=None if train.text is None else tuple(chain.from_iterable(texts.values())),
            known=joined_known(known, targets),
            soft=joined_soft(soft),
            parts_from=f"from {listed(_part_names(options), 3)}",
        )

    @classmethod
    def read_features(cls, path: Path, options: Any, names: Sequence[str]) -> Any:
        """Return the features of another file with these names: (N, D)."""
        return values_said(_features(read_table(path, options, names), options, names))

    @classmethod
    def read_texts(cls, path: Path, options: Any) -> list[str]:
        """Return the texts of another file."""
        return _texts(read_table(path, options, ()), of_new_rows=True)


def text_as_label(prefix: str, text: str) -> ConfigError:
    """Return the error for a text column that is a label too."""
    return ConfigError(
        f"{prefix}text={text} is also in {prefix}labels, so the features would give the answers away:"
        " name another column."
    )


def _part_files(options: Any) -> dict[str, str]:
    """The files of further parts by the part."""
    files = {"val": options.val_path, "test": options.test_path}
    return {part: file for part, file in files.items() if file is not None}


def _part_names(options: Any) -> list[str]:
    """The names of the files that the card's line of parts speaks of: all, or that of the test rows."""
    files = _part_files(options)
    every = [options.path, *files.values()] if "val" in files else list(files.values())
    return [Path(file).name for file in every]


def _encode(file: TableFile, options: Any, earlier: Labels | None = None) -> Labels:
    """Return the labels of a file, in the form of those of an earlier one."""
    separator = None if options.separator is None else separator_named(options.separator)
    return encode_labels(
        file.frame,
        file.labels,
        separator,
        file.where,
        None if earlier is None else earlier.form,
        options.missing_labels,
        options.soft_labels,
        None if earlier is None else earlier.ticks,
    )


def _further_labels(file: TableFile, labels: Labels, options: Any) -> tuple[str, ...]:
    """Note the feature columns of 0 and 1, or of ticks, if the labels are such columns too.

    They may be ordinary flags, but a forgotten label among the features would be a leak.
    """
    if labels.form is not None or file.text is not None or options.binary_features:
        return ()
    left_out = [*file.labels, *ignored(options.ignore, file.frame)]
    others = file.frame.drop(columns=left_out, errors="ignore")
    names = zero_one_columns(others, labels.ticks)
    if not names:
        return ()
    listed_names = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    hold, are, them = (
        ("holds", "is taken as a feature", "it")
        if len(names) == 1
        else ("hold", "are taken as features", "them")
    )
    values = "0 and 1" if labels.ticks is None else f"{labels.ticks.sign!r} (or 0 and 1)"
    return (
        f"Warning: {listed_names} {hold} {values} as the labels do, and {are}: name"
        f" {them} in data.labels or data.ignore, or state data.binary_features=true.",
    )


def _features(file: TableFile, options: Any, names: Sequence[str] | None) -> Encoded:
    frame, where = file.frame, file.where
    if file.text is None:
        left_out = [*file.labels, *ignored(options.ignore, frame)]
        columns = frame.drop(columns=[name for name in left_out if name in frame.columns])
        return encode_columns(columns, where, names, options.test_path is None)
    texts = _texts(file, of_new_rows=names is not None)
    counts, words = count_words(texts, options, where, names)
    used = {file.text, *file.labels, *ignored(options.ignore, frame)}
    unused = [str(name) for name in frame.columns if name not in used]
    note = f"Not used beside the text: the columns {listed(unused, 8)}."
    numeric: Any = np.ones(counts.shape[1], dtype=bool)
    return Encoded(counts, words, numeric, {}, (note,) if unused else ())


def _texts(file: TableFile, of_new_rows: bool = False) -> list[str]:
    """Return the texts of the text column, of which "" is a gap; none without such a column."""
    if file.text is None:
        return []
    if file.text not in file.frame.columns:
        columns = ", ".join(map(str, file.frame.columns[:20]))
        cure = f"data.text may be {columns}"
        if of_new_rows:
            cure = (
                f"the training had its texts there; rename the one that holds texts, of {columns}"
            )
        raise DataError(f"{file.where}: there is no column {file.text!r}: {cure}.")
    column = file.frame[file.text]
    refuse_bytes(column, file.where)
    return ["" if gap else str(text) for text, gap in zip(column, column.isna(), strict=True)]


def _vocabulary(file: TableFile, options: Any, encoded: Encoded) -> Vocabulary:
    """Return the vocabulary: the words of a text, without hash buckets, or the categories."""
    if file.text is None:
        return Vocabulary(~encoded.numeric, read_from=encoded.categories)
    vocabulary: Vocabulary = options.vocabulary(len(encoded.names), file.text)
    return vocabulary


def _weighting(file: TableFile, options: Any, features: Any) -> str | None:
    """Return the weighting; "auto" is tfidf for words, even if no text repeats one."""
    if file.text is not None and options.weighting == "auto":
        return "tfidf"
    return weighting_of(features, options.weighting, file.where)
