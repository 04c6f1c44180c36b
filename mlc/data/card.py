"""The data card: a short description of a data set and its split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlc.config.texts import counted, escaped, fitted, fold, listed, span
from mlc.data.base import Dataset
from mlc.data.label_statistics import LabelStatistics, label_statistics
from mlc.data.sparse import is_sparse
from mlc.data.splits import CALLED, Split

if TYPE_CHECKING:
    from mlc.data.preprocessing import Scaling

WIDTH = 80
_MARGIN = 14  # Columns before the text of a line.
_LONGEST = 30  # Columns of a name.


@dataclass(frozen=True)
class Card:
    """Numbers of a data set and one split of it.

    Attributes:
        name: name of the data set.
        parts: number of rows in "train", "val" and "test".
        split: description of the split.
        features: description of the features and of their encoding.
        labels: K names.
        counts: positives of each label among all rows, (K,).
        sizes: numbers of rows with 0, 1, ... labels.
        label_sets: number of distinct label sets among all rows.
        unseen: share of the validation rows whose label set does not occur in training.
        absent: number of labels without a positive, by part.
        dependence: mean |phi| over pairs of non-constant labels; None if there is no pair.
        by_chance: expectation of `dependence` for independent labels.
        notes: assumptions of the reader, and values that may stand for missing ones.
        missing: rows without a value, by feature column of the file; columns without gaps are left out.
        unknown: rows in which each label is not known, (K,); empty if all are known. All other numbers
            take these labels as negative.
    """

    name: str
    parts: dict[str, int]
    split: str
    features: str
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    sizes: tuple[int, ...]
    label_sets: int
    unseen: float
    absent: dict[str, int]
    dependence: float | None
    by_chance: float | None
    notes: tuple[str, ...] = ()
    missing: dict[str, int] = dataclasses.field(default_factory=dict)
    unknown: tuple[int, ...] = ()

    @property
    def n_rows(self) -> int:
        """N."""
        return sum(self.sizes)

    def as_json(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> Card | None:
        """Restore a card from `as_json`; return None for other content."""
        try:
            values: dict[str, Any] = {
                key: tuple(v) if isinstance(v, list) else v for key, v in content.items()
            }
            card = cls(**values)
            card.text()
        except (AttributeError, TypeError, ValueError, KeyError, LookupError, ZeroDivisionError):
            return None
        return card

    def lines(self) -> list[tuple[str, str]]:
        """Return pairs of an aspect and its description."""
        return [
            ("rows", self._rows()),
            ("features", self.features),
            *([("missing", self._missing())] if self.missing else []),
            ("labels", listed(self.labels, 5)),
            *([("unknown", self._unknown())] if any(self.unknown) else []),
            ("per row", self._per_row()),
            ("label sets", self._label_sets()),
            ("frequency", self._frequency()),
            ("dependence", self._dependence()),
            *(("note", escaped(note)) for note in self.notes if note.strip()),
        ]

    def text(self, width: int = WIDTH) -> str:
        """Format the card for a terminal."""
        n_labels = len(self.labels)
        name = fitted(self.name, _LONGEST)
        title = f"{name}: {counted(self.n_rows, 'row')}, {counted(n_labels, 'label')}"
        return card_lines(title, self.lines(), width)

    def _rows(self) -> str:
        parts = ", ".join(
            f"{self.parts[part]:,} {name}" for part, name in CALLED.items() if self.parts[part]
        )
        return f"{parts}; {self.split}"

    def _missing(self) -> str:
        most_first = sorted(self.missing.items(), key=lambda item: -item[1])
        columns = [
            f"{fitted(name, _LONGEST)} {n:,} ({share(n, self.n_rows)})" for name, n in most_first
        ]
        return f"rows without a value: {listed(columns, 5, _LONGEST + 20)}"

    def _unknown(self) -> str:
        names = [fitted(name, _LONGEST) for name in self.labels]
        shares = [
            f"{name} {share(n, self.n_rows)}" for name, n in zip(names, self.unknown, strict=True)
        ]
        total = share(sum(self.unknown), self.n_rows * len(self.labels))
        return (
            f"{total} of the labels are missing ({listed(shares, 5, _LONGEST + 10)}); the numbers below"
            " take them as negative"
        )

    def _per_row(self) -> str:
        numbers = np.flatnonzero(self.sizes)
        mean = float(np.arange(len(self.sizes)) @ np.asarray(self.sizes)) / self.n_rows
        one = self.sizes[1] if len(self.sizes) > 1 else 0
        return (
            f"{mean:.2f} on average, {span(numbers[0], numbers[-1])};"
            f" {share(self.sizes[0], self.n_rows)} of the rows have none,"
            f" {share(one, self.n_rows)} exactly one"
        )

    def _label_sets(self) -> str:
        return (
            f"{self.label_sets:,} distinct; {share(self.unseen)} of the validation rows have one"
            " that no training row has"
        )

    def _frequency(self) -> str:
        rarest, most = int(np.argmin(self.counts)), int(np.argmax(self.counts))

        def times(k: int) -> str:
            return f"{self.counts[k]:,} ({share(self.counts[k], self.n_rows)})"

        if self.counts[rarest] == self.counts[most]:
            all_labels = (
                f"each of the {len(self.labels)} labels" if len(self.labels) > 1 else "the label"
            )
            text = f"{all_labels}: {times(most)}"
        else:
            rare, common = (fitted(self.labels[k], _LONGEST) for k in (rarest, most))
            text = f"rarest {rare}: {times(rarest)}; most frequent {common}: {times(most)}"
        missing = [
            f"{n} in {CALLED[part]}" for part, n in self.absent.items() if n and self.parts[part]
        ]
        return text + (f"; labels without a positive: {', '.join(missing)}" if missing else "")

    def _dependence(self) -> str:
        constant = sum(count in (0, self.n_rows) for count in self.counts)
        left_out = f"{counted(constant, 'label')} that no row or every row has"
        if self.dependence is None or self.by_chance is None:
            return "fewer than two labels vary" + (f": {left_out}" if constant else "")
        return (
            f"mean |phi| of two labels {_strength(self.dependence)}"
            f" ({_strength(self.by_chance)} expected if independent)"
            + (f"; without {left_out}" if constant else "")
        )


def describe(
    dataset: Dataset,
    split: Split,
    options: Any = None,
    seed: int | None = None,
    scaling: Scaling | None = None,
    statistics: LabelStatistics | None = None,
    notes: tuple[str, ...] | None = None,
) -> Card:
    """Describe a data set and one split of it.

    Args:
        dataset: the data set.
        split: its parts.
        options: options of the source, which hold the seed of an unpublished test part.
        seed: seed of the run, which draws the validation part.
        scaling: scaling fitted on the training rows; None fits it.
        statistics: statistics of the targets; None computes them.
        notes: as `notes_on` returns them; None looks for them.
    """
    from mlc.data.feature_kinds import kinds_of_features
    from mlc.data.preprocessing import fit_scaling

    targets = dataset.targets
    scaling = scaling or fit_scaling(dataset, split.train)
    statistics = statistics or label_statistics(targets)
    numbers = statistics.numbers
    unseen = ~np.isin(numbers[split.val], numbers[split.train])
    return Card(
        name=dataset.name,
        parts={part: len(rows) for part, rows in split.parts().items()},
        split=_how_split(dataset, split, options, seed),
        features=kinds_of_features(dataset, scaling),
        labels=dataset.label_names,
        counts=tuple(map(int, targets.sum(axis=0))),
        sizes=tuple(map(int, np.bincount(targets.sum(axis=1)))),
        label_sets=int(numbers.max()) + 1,
        unseen=float(unseen.mean()),
        absent={
            part: int((~targets[rows].any(axis=0)).sum()) for part, rows in split.parts().items()
        },
        dependence=statistics.dependence,
        by_chance=statistics.by_chance,
        notes=notes_on(dataset) if notes is None else notes,
        missing=missing_values(dataset),
        unknown=() if dataset.known is None else tuple(map(int, (~dataset.known).sum(axis=0))),
    )


def notes_on(dataset: Dataset) -> tuple[str, ...]:
    """Return the reader's notes, and those on values that may stand for missing ones and on copies."""
    from mlc.data.copies import notes_on_copies
    from mlc.data.sentinels import note_on_sentinels

    return *dataset.notes, *note_on_sentinels(dataset), *notes_on_copies(dataset)


def missing_values(dataset: Dataset) -> dict[str, int]:
    """The number of rows without a value, by feature column of the file, for columns with gaps."""
    if dataset.samples != "columns":
        return {}
    features: Any = dataset.features
    names = dataset.feature_names
    if is_sparse(features):
        gaps = np.bincount(features.indices[np.isnan(features.data)], minlength=len(names))
        return {names[column]: int(gaps[column]) for column in np.flatnonzero(gaps)}
    missing = np.isnan(features).sum(axis=0)
    counts = {names[column]: int(missing[column]) for column in np.flatnonzero(missing)}
    columns = () if dataset.vocabulary is None else dataset.vocabulary.read_from
    for column in columns:
        is_own = [name.startswith(f"{column}=") for name in names]
        n_empty = int((~features[:, is_own].any(axis=1)).sum())
        counts |= {column: n_empty} if n_empty else {}
    return counts


def _how_split(dataset: Dataset, split: Split, options: Any, seed: int | None) -> str:
    drawn = "" if seed is None else f" (seed={seed})"
    if not len(split.test):
        return f"validation drawn{drawn}, stratified"
    if "val" in dataset.parts:
        return f"all parts {dataset.parts_from}"
    if "test" in dataset.parts:
        return f"test part {dataset.parts_from}; validation drawn{drawn}, stratified"
    split_seed = getattr(options, "split_seed", None)
    if hasattr(options, "split_seed") and split_seed is None:
        return f"test part and validation drawn{drawn}, both stratified"
    of_test = "" if split_seed is None else f" (data.split_seed={split_seed})"
    return f"test part drawn{of_test}, then validation{drawn}, both stratified"


def card_lines(title: str, lines: Sequence[tuple[str, str]], width: int = WIDTH) -> str:
    """Format a title and descriptions of aspects for a terminal of `width` columns."""
    folded = fold(escaped(title), width)
    for aspect, text in lines:
        first, *more = fold(escaped(text), width - _MARGIN)
        folded.append((f"  {aspect}".ljust(_MARGIN) + first).rstrip())
        folded += [" " * _MARGIN + line for line in more]
    return "\n".join(folded)


def share(part: float, total: float = 1) -> str:
    """Format a share in per cent; only 0 and 1 are written as 0.0% and 100.0%.

    >>> share(0, 3000), share(1, 3000), share(2999, 3000), share(1, 3)
    ('0.0%', '<0.1%', '>99.9%', '33.3%')
    """
    text = f"{100 * part / total:.1f}%"
    if text == "0.0%" and part > 0:
        return "<0.1%"
    return ">99.9%" if text == "100.0%" and part < total else text


def _strength(phi: float) -> str:
    return f"{phi:.3f}" if phi == 0 or phi >= 0.0005 else "<0.001"
