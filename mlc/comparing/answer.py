"""The answer of a comparison: which head and rule, by how much, and what is as good."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlc.comparing.candidates import (
    Candidate,
    candidates,
    common_seeds,
    test_parts,
    training_seconds,
)
from mlc.comparing.intervals import Difference, Part, simultaneous
from mlc.comparing.linear import LINEAR
from mlc.comparing.plan import REFERENCE
from mlc.comparing.rivals import Rivals
from mlc.config.errors import RunFolderError
from mlc.files.names import SPLIT
from mlc.files.reading import read_arrays
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.names import largest_difference
from mlc.reporting.collect import Results
from mlc.reporting.gaps import known_width
from mlc.search.files import read_record

MARGIN = 0.01
# A lead on validation rows up to this share of the margin is not worth a head that is less simple.
WORTH = 0.2
# What the test rows say of a head against the chosen one.
EQUAL, OPEN, BEHIND, AHEAD = "equal", "unclear", "behind", "ahead"


@dataclass(frozen=True)
class Answer:
    """What the test rows say of the heads, each with the rule and settings that validation rows chose.

    Attributes:
        data: the data set.
        metric: by which everything is chosen and compared.
        margin: differences up to this count as equal.
        reference: the head that the others are compared with.
        heads: the candidates by head, the chosen rule first; the chosen head first, the others in the
            order of their validation values. Linear models and constants are among them, but never
            chosen.
        baselines: the names of these, the simplest first.
        differences: from the reference, oriented so that more is better, by head.
        from_chosen: from the chosen head, likewise.
        seconds: of training one network, by head.
        n_splits: seeds that all heads have, which alone are compared.
        missing: of the other seeds, the heads that have no value.
        n_test: test rows of one split.
        draws_test_rows: whether each split has test rows of its own.
        n_runs: finished runs.
        left_out: failed runs, by name with the reason.
    """

    data: str
    metric: str
    margin: float
    reference: str
    heads: dict[str, list[Candidate]]
    baselines: tuple[str, ...]
    differences: dict[str, Difference]
    from_chosen: dict[str, Difference]
    seconds: dict[str, float]
    n_splits: int
    missing: dict[int, list[str]]
    n_test: int
    draws_test_rows: bool
    n_runs: int
    left_out: dict[str, str]

    @property
    def sign(self) -> int:
        """1 where more of the metric is better, else -1."""
        return COUNT_METRICS[self.metric].sign

    @property
    def chosen(self) -> Candidate:
        """The chosen head with its rule."""
        return next(iter(self.heads.values()))[0]

    @property
    def simplest(self) -> Candidate:
        """What validation rows choose of all: a constant or linear model where no head is worth more."""
        simple = [*self.baselines, self.reference]
        ranked = _ranked(self.heads, simple, self.sign, WORTH * self.margin)
        return next(iter(ranked.values()))[0]

    @property
    def rival(self) -> Candidate | None:
        """The linear model or constant to stand beside the head; None if none was compared.

        It is `simplest` where that is none of the heads, else the best linear model on validation rows.
        """
        if self.simplest.head in self.baselines:
            return self.simplest
        linear = [rows[0] for name, rows in self.heads.items() if name in LINEAR]
        return max(linear, key=lambda each: self.sign * each.validation, default=None)

    @property
    def leads(self) -> bool:
        """Whether the chosen head is ahead of the reference beyond its interval."""
        lead = self.differences.get(self.chosen.head)
        return lead is not None and lead.is_clear and lead.mean > 0

    def verdict(self, head: str) -> str:
        """What the test rows say of another head against the chosen one."""
        gap = self.from_chosen[head]
        if gap.high < -self.margin:
            return BEHIND
        if gap.low > self.margin:
            return AHEAD
        return EQUAL if -self.margin <= gap.low and gap.high <= self.margin else OPEN

    def as_json(self) -> dict[str, Any]:
        """All of it, for JSON; what is undefined is null."""
        verdicts = {head: self.verdict(head) for head in self.from_chosen}
        content = {"chosen": asdict(self.chosen), "leads": self.leads, **asdict(self)}
        return {key: _defined(value) for key, value in {**content, "verdicts": verdicts}.items()}


def find_answer(
    results: Results,
    folder: Path,
    metric: str,
    margin: float = MARGIN,
    reference: str = REFERENCE,
    rivals: Rivals | None = None,
) -> Answer:
    """Judge the finished runs of a sweep on one data set.

    Validation values choose the settings and the rule of each head, and the head: the best one, but the
    reference where the lead over it is at most WORTH times the margin. Linear models and constants are
    compared with it, and are never chosen. Test rows say by how much they differ. All means are over
    the seeds that every head has.

    Args:
        results: of the search.
        folder: where it is, for messages.
        metric: one of COUNT_METRICS.
        margin: differences up to this count as equal.
        reference: the head that the others are compared with.
        rivals: linear models and constants; None compares heads alone.

    Raises:
        RunFolderError: no run has finished, the runs are of several data sets or of one in several
            forms, the reference has no finished run, the split has no test row, or a label is missing.
    """
    record = read_record(folder)
    grid = [] if record is None else record.grid
    data = _data_of(results, folder, grid)
    found = candidates(results, metric, searched_seeds(folder), grid)
    if reference not in found:
        raise RunFolderError(
            f"No run of the head {reference!r} in {folder} has finished, and the others are compared"
            " with it: start the same command again."
        )
    sign = COUNT_METRICS[metric].sign
    simple = {} if rivals is None else rivals.candidates(metric)
    seeds, missing = common_seeds({head: rows[0] for head, rows in found.items()})
    found, simple = (
        {
            name: [one for each in rows if (one := each.on(seeds)) is not None]
            for name, rows in of.items()
        }
        for of in (found, simple)
    )
    ranked = _ranked(found, [reference], sign, WORTH * margin)
    chosen = next(iter(ranked))
    by_validation = _ranked({**ranked, **simple}, [], sign, 0)
    heads = {chosen: ranked[chosen], **by_validation}
    networks = {head: rows[0] for head, rows in ranked.items()}
    parts = test_parts(results, networks, seeds, metric)
    overlap = _overlap(results, networks[reference], next(iter(parts.values())))
    if rivals is not None:
        parts |= {name: rivals.parts(rows[0], seeds, metric) for name, rows in simple.items()}
    parts = {head: parts[head] for head in heads}
    seconds = {head: training_seconds(results, network) for head, network in networks.items()}
    return Answer(
        data=data,
        metric=metric,
        margin=margin,
        reference=reference,
        heads=heads,
        baselines=tuple(simple),
        differences=_oriented(simultaneous(parts, reference, overlap=overlap), metric),
        from_chosen=_oriented(simultaneous(parts, chosen, overlap=overlap), metric),
        seconds=seconds if rivals is None else seconds | rivals.seconds,
        n_splits=len(seeds),
        missing=missing,
        n_test=len(parts[chosen][0].rows),
        draws_test_rows=overlap > 0,
        n_runs=len(results.folders),
        left_out={**results.failed, **results.unreadable},
    )


def searched_seeds(folder: Path) -> list[int]:
    """The seeds of every trial of the search in a folder; none where its record does not say."""
    record = read_record(folder)
    return [] if record is None else record.seeds


def _data_of(results: Results, folder: Path, grid: Sequence[str]) -> str:
    of_data = [key for key in grid if key.startswith("data.")]
    if of_data:
        raise RunFolderError(
            f"The search in {folder} has several values of {of_data[0]}: an answer is for one form of"
            " the data."
        )
    names = [str(name) for name in dict.fromkeys(results.runs["data"])]
    if len(names) > 1:
        raise RunFolderError(
            f"{folder} holds runs on {', '.join(names)}: an answer is for one data set."
        )
    if not names:
        reason = next(iter(results.failed.values()), "start the same command again")
        raise RunFolderError(f"No run in {folder} has finished: {reason}")
    return names[0]


def _ranked(
    found: Mapping[str, list[Candidate]], simple: Sequence[str], sign: int, worth: float
) -> dict[str, list[Candidate]]:
    """The candidates by validation values; the first is the simplest that is within `worth` of the best.

    Args:
        found: the candidates by head.
        simple: the heads that are simpler than the others, the simplest first.
        sign: 1 where more of the metric is better, else -1.
        worth: a lead up to this is not worth a head that is less simple.
    """
    ranked = dict(sorted(found.items(), key=lambda item: -sign * item[1][0].validation))
    best = next(iter(ranked.values()))[0].validation
    near = [head for head in simple if sign * (best - ranked[head][0].validation) <= worth]
    chosen = near[0] if near else next(iter(ranked))
    return {chosen: ranked[chosen], **ranked}


def _oriented(differences: Mapping[str, Difference], metric: str) -> dict[str, Difference]:
    """Turn differences so that more is better; an interval as wide as the range becomes unknown."""
    sign, most = COUNT_METRICS[metric].sign, largest_difference(metric)
    return {
        head: Difference(sign * gap.mean, known_width(gap.half_width, most))
        for head, gap in differences.items()
    }


def _overlap(results: Results, candidate: Candidate, parts: Sequence[Part]) -> float:
    """Test rows over training rows where the splits have test rows of their own, else 0."""
    if all(part.rows.tolist() == parts[0].rows.tolist() for part in parts):
        return 0.0
    split = read_arrays(results.folders[next(iter(candidate.runs.values()))] / SPLIT)
    return len(split["test"]) / len(split["train"])


def _defined(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _defined(each) for key, each in value.items()}
    return [_defined(each) for each in value] if isinstance(value, (list, tuple)) else value
