"""What a data set holds, in a few lines: the data card."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mlc.data.base import Dataset
from mlc.data.preprocessing import Scaling, fit_scaling
from mlc.data.splits import Split

WIDTH = 80
_MARGIN = 14  # Where the lines' text begins.
_LONGEST = 30  # Characters of a label's name.
_LEAST_PAIRS = 1000  # Of shuffled labels, so that chance is known well.


@dataclass(frozen=True)
class Card:
    """Numbers of a data set and one split of it.

    Attributes:
        name: the data set's.
        parts: rows by part: "train", "val" and "test".
        split: how the rows were divided, in words.
        features: how many there are, and how they enter a network, in words.
        labels: K names.
        counts: positives of each label, (K,), among all rows.
        sizes: how many rows have 0, 1, ... labels.
        label_sets: distinct ones among all rows.
        unseen: share of the validation rows whose label set no training row has.
        absent: labels without a positive by part.
        dependence: mean |phi| over pairs of labels that vary; None where there is no pair.
        by_chance: what it would be on average were the labels independent.
        notes: what the reader assumed.
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

    @property
    def n_rows(self) -> int:
        """N."""
        return sum(self.sizes)

    def as_json(self) -> dict[str, Any]:
        """Its fields, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> Card | None:
        """The card that `as_json` gave, or None where it is none."""
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
        """What is said of each aspect."""
        return [
            ("rows", self._rows()),
            ("features", self.features),
            ("labels", _listed(self.labels, 5)),
            ("per row", self._per_row()),
            ("label sets", self._label_sets()),
            ("frequency", self._frequency()),
            ("dependence", self._dependence()),
            *(("note", note) for note in self.notes),
        ]

    def text(self, width: int = WIDTH) -> str:
        """For a terminal."""
        n_labels = len(self.labels)
        title = (
            f"{shortened(self.name)}: {self.n_rows:,} rows, {n_labels} label{'s' * (n_labels > 1)}"
        )
        folded = [title]
        for name, said in self.lines():
            first, *more = wrap(said, width - _MARGIN, break_on_hyphens=False)
            folded.append(f"  {name}".ljust(_MARGIN) + first)
            folded += [" " * _MARGIN + line for line in more]
        return "\n".join(folded)

    def _rows(self) -> str:
        called = {"train": "training", "val": "validation", "test": "test"}
        parts = ", ".join(f"{self.parts[part]:,} {name}" for part, name in called.items())
        return f"{parts}; {self.split}"

    def _per_row(self) -> str:
        numbers = np.flatnonzero(self.sizes)
        mean = float(np.arange(len(self.sizes)) @ np.asarray(self.sizes)) / self.n_rows
        one = self.sizes[1] if len(self.sizes) > 1 else 0
        return (
            f"{mean:.2f} on average, {numbers[0]} to {numbers[-1]};"
            f" {_share(self.sizes[0], self.n_rows)} of the rows have none,"
            f" {_share(one, self.n_rows)} exactly one"
        )

    def _label_sets(self) -> str:
        return (
            f"{self.label_sets:,} distinct; {100 * self.unseen:.1f}% of the validation rows have one"
            " that no training row has"
        )

    def _frequency(self) -> str:
        rarest, most = int(np.argmin(self.counts)), int(np.argmax(self.counts))
        said = [
            f"{shortened(self.labels[k])} {self.counts[k]:,} ({_share(self.counts[k], self.n_rows)})"
            for k in ([rarest, most] if len(self.labels) > 1 else [most])
        ]
        text = " to ".join(said)
        missing = [f"{n} in {part}" for part, n in self.absent.items() if n]
        return text + (f"; labels without a positive: {', '.join(missing)}" if missing else "")

    def _dependence(self) -> str:
        if self.dependence is None:
            return "no two labels vary"
        return (
            f"mean |phi| of two labels {self.dependence:.3f} ({self.by_chance:.3f} of"
            " shuffled ones)"
        )


@dataclass(frozen=True)
class LabelStatistics:
    """What of a card no split changes.

    Attributes:
        numbers: (N,), equal for rows with equal label sets, from 0.
        dependence: as on the card.
        by_chance: as on the card.
    """

    numbers: NDArray[np.int64]
    dependence: float | None
    by_chance: float | None


def label_statistics(targets: NDArray[np.bool_]) -> LabelStatistics:
    """Of label sets (N, K)."""
    _, numbers = np.unique(np.packbits(targets, axis=1), axis=0, return_inverse=True)
    return LabelStatistics(numbers.ravel(), *mean_phi(targets))


def describe(
    dataset: Dataset,
    split: Split,
    options: Any = None,
    seed: int | None = None,
    scaling: Scaling | None = None,
    statistics: LabelStatistics | None = None,
) -> Card:
    """The card of a data set in one split.

    Args:
        dataset: what was read.
        split: its parts.
        options: of the source, for the seed of a test part that is not published.
        seed: of the run, from which the validation part was drawn.
        scaling: fitted on the split's training rows; fitted here where it is None.
        statistics: of the data set's targets; found here where they are None.
    """
    targets = dataset.targets
    scaling = scaling or fit_scaling(dataset, split.train)
    statistics = statistics or label_statistics(targets)
    numbers = statistics.numbers
    unseen = ~np.isin(numbers[split.val], numbers[split.train])
    return Card(
        name=dataset.name,
        parts={part: len(rows) for part, rows in split.parts().items()},
        split=_how_split(dataset, options, seed),
        features=_features(dataset, scaling.used),
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
        notes=dataset.notes,
    )


def mean_phi(targets: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """How strongly labels depend, and what that would be by chance: both None without a pair.

    The mean of |phi|, Pearson's correlation of two binary labels, over all pairs of labels that vary;
    by chance, the same after each label's rows have been shuffled, on average over at least 1,000 pairs.
    """
    varying = targets[:, targets.any(axis=0) & ~targets.all(axis=0)]
    n_labels = varying.shape[1]
    if n_labels < 2:
        return None, None
    rng = np.random.default_rng(0)
    n_shuffles = math.ceil(_LEAST_PAIRS / (n_labels * (n_labels - 1) / 2))
    shuffled = [_mean_phi(rng.permuted(varying, axis=0)) for _ in range(n_shuffles)]
    return _mean_phi(varying), float(np.mean(shuffled))


def _mean_phi(varying: NDArray[np.bool_]) -> float:
    n_rows, n_labels = varying.shape
    # Counts up to 2^24 are exact in float32.
    both = (varying.T.astype(np.float32) @ varying.astype(np.float32)).astype(np.float64)
    count = np.diag(both)
    spread = np.sqrt(count * (n_rows - count))
    phi = (n_rows * both - np.outer(count, count)) / np.outer(spread, spread)
    return float(np.abs(phi[np.triu_indices(n_labels, 1)]).mean())


def _how_split(dataset: Dataset, options: Any, seed: int | None) -> str:
    published = [part for part in ("train", "val", "test") if part in dataset.parts]
    if "val" in published:
        return "all parts as published"
    drawn = "" if seed is None else f" (seed={seed})"
    if "test" in published:
        return f"test part as published, validation drawn, stratified{drawn}"
    split_seed = getattr(options, "split_seed", None)
    of_test = "" if split_seed is None else f" (data.split_seed={split_seed})"
    return f"test part drawn{of_test}, then validation{drawn}, both stratified"


def _features(dataset: Dataset, used: NDArray[np.bool_]) -> str:
    kinds = []
    words = np.zeros(dataset.n_features, dtype=bool)
    if dataset.vocabulary is not None:
        words = dataset.vocabulary.columns
    numbers, rest = dataset.numeric & ~words, ~dataset.numeric & ~words
    scaled = "scaled to at most 1" if issparse(dataset.features) else "standardised"
    for columns, said in (
        (numbers, f"numeric ({scaled}, but for zeros and ones)"),
        (rest, "binary"),
        (words, "words or categories"),
    ):
        if columns.any():
            n_used = int((columns & used).sum())
            left = f", {int(columns.sum()):,} with all rows" if n_used < columns.sum() else ""
            kinds.append(f"{n_used:,} {said}{left}")
    text = "; ".join(kinds)
    matrix: Any = dataset.features
    if issparse(matrix):
        text += f"; sparse, {matrix.nnz / dataset.n_samples:.1f} of a row are not 0"
    return text


def _listed(names: Sequence[str], n_shown: int) -> str:
    shown = ", ".join(map(shortened, names[:n_shown]))
    return shown if len(names) <= n_shown else f"{shown}, and {len(names) - n_shown:,} more"


def shortened(name: str, longest: int = _LONGEST) -> str:
    """The name without what cannot be printed, cut where it is longer."""
    plain = "".join(c if c.isprintable() else "?" for c in name)
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%"
