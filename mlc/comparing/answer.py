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
    test_parts,
    training_seconds,
)
from mlc.comparing.intervals import Difference, Part, simultaneous
from mlc.comparing.plan import REFERENCE
from mlc.config.errors import RunFolderError
from mlc.files.names import SPLIT
from mlc.files.reading import read_arrays
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.collect import Results

MARGIN = 0.01
# A lead on validation rows up to this share of the margin is not worth another head than the reference.
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
            order of their validation values.
        differences: from the reference, oriented so that more is better, by head.
        from_chosen: from the chosen head, likewise.
        seconds: of training one network, by head.
        yardsticks: linear models and constants, their mean on test rows by name.
        n_splits: seeds that all heads have.
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
    differences: dict[str, Difference]
    from_chosen: dict[str, Difference]
    seconds: dict[str, float]
    yardsticks: dict[str, float]
    n_splits: int
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
) -> Answer:
    """Judge the finished runs of a sweep on one data set.

    Validation values choose the settings and the rule of each head, and the head: the best one, but the
    reference where the lead over it is at most WORTH times the margin. Test rows say by how much they
    differ.

    Args:
        results: of the search.
        folder: where it is, for messages.
        metric: one of COUNT_METRICS.
        margin: differences up to this count as equal.
        reference: the head that the others are compared with.

    Raises:
        RunFolderError: no run has finished, the runs are of several data sets, or the reference has no
            finished run.
    """
    names = list(dict.fromkeys(results.runs["data"]))
    if len(names) > 1:
        raise RunFolderError(
            f"{folder} holds runs on {', '.join(names)}: an answer is for one data set."
        )
    if not names:
        reason = next(iter(results.failed.values()), "start the same command again")
        raise RunFolderError(f"No run in {folder} has finished: {reason}")
    found = candidates(results, metric)
    if reference not in found:
        raise RunFolderError(
            f"No run of the head {reference!r} in {folder} has finished, and the others are compared"
            " with it: start the same command again."
        )
    sign = COUNT_METRICS[metric].sign
    ranked = sorted(found.items(), key=lambda own: -sign * own[1][0].validation)
    lead = sign * (ranked[0][1][0].validation - found[reference][0].validation)
    if lead <= WORTH * margin:
        ranked.sort(key=lambda own: own[0] != reference)
    heads = dict(ranked)
    first = {head: rows[0] for head, rows in heads.items()}
    parts = test_parts(results, first, metric)
    chosen, overlap = next(iter(heads)), _overlap(results, first[reference], parts[reference])
    return Answer(
        data=names[0],
        metric=metric,
        margin=margin,
        reference=reference,
        heads=heads,
        differences=_oriented(simultaneous(parts, reference, overlap=overlap), sign),
        from_chosen=_oriented(simultaneous(parts, chosen, overlap=overlap), sign),
        seconds={head: training_seconds(results, own) for head, own in first.items()},
        yardsticks=_yardsticks(results, metric),
        n_splits=len(parts[chosen]),
        n_test=len(parts[chosen][0].rows),
        draws_test_rows=overlap > 0,
        n_runs=len(results.folders),
        left_out={**results.failed, **results.unreadable},
    )


def _oriented(differences: Mapping[str, Difference], sign: int) -> dict[str, Difference]:
    return {head: Difference(sign * own.mean, own.half_width) for head, own in differences.items()}


def _overlap(results: Results, candidate: Candidate, parts: Sequence[Part]) -> float:
    """Test rows over training rows where the splits have test rows of their own, else 0."""
    if all(part.rows.tolist() == parts[0].rows.tolist() for part in parts):
        return 0.0
    split = read_arrays(results.folders[next(iter(candidate.runs.values()))] / SPLIT)
    return len(split["test"]) / len(split["train"])


def _yardsticks(results: Results, metric: str) -> dict[str, float]:
    """The mean on test rows of each linear model and of the most frequent label set."""
    if metric not in results.baselines:
        return {}
    rows = results.baselines[results.baselines["head"] != "prior"]
    means = rows.groupby("head", sort=False)[metric].mean().dropna()
    return {str(head): float(value) for head, value in means.items()}


def _defined(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _defined(own) for key, own in value.items()}
    return [_defined(own) for own in value] if isinstance(value, (list, tuple)) else value
