"""The answer in sentences and as a table, for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.comparing.answer import AHEAD, BEHIND, EQUAL, OPEN, Answer
from mlc.comparing.candidates import Candidate
from mlc.comparing.intervals import Difference
from mlc.comparing.linear import CONSTANT, LINEAR
from mlc.config.texts import fold
from mlc.reporting.tables import WIDTH, Table

_MOST_NAMED = 6


# What a reader calls the contestants that are no heads.
_CALLED = {
    "linear_svm": "one-vs-rest linear SVMs (linear_svm{})",
    "logistic_regression": "one-vs-rest logistic regression (logistic_regression{})",
    "prior": "no model: every row gets the same labels, by their frequencies (prior)",
    "most_frequent_set": "no model: every row gets the most frequent label set (most_frequent_set)",
}


def sentences(answer: Answer, seconds: float | None = None) -> list[str]:
    """The answer: what to use, its lead, what is as good and what it costs; a sentence each.

    Args:
        answer: the answer.
        seconds: the comparison took, if that is known.
    """
    return [_use(answer), _lead(answer), _others(answer, seconds)]


def _use(answer: Answer) -> str:
    chosen = answer.chosen
    others = [rows[0] for head, rows in answer.heads.items() if head != chosen.head]
    values = f"{answer.metric} is {chosen.test:.3f} on the test rows ({_splits(answer)})"
    use = f"Use {_called(chosen)}, decided by the rule {chosen.rule}: its {values}, and on"
    best = max(others, key=lambda other: answer.sign * other.validation, default=None)
    if best is None or answer.sign * (chosen.validation - best.validation) >= 0:
        text = (
            f"{use} validation rows it is the best of all that was tried, {chosen.validation:.3f}"
        )
    else:
        text = (
            f"{use} validation rows, {chosen.validation:.3f}, nothing less simple has a lead that is"
            f" worth it (the best is {best.head}, {best.validation:.3f})"
        )
    network = answer.network
    if chosen.head in answer.baselines:
        text += (
            f"; among networks the head {network.head} with the rule {network.rule} is the one to use"
            f" ({network.validation:.3f} on validation rows, {network.test:.3f} on test rows)"
        )
    return f"{text}."


def _called(candidate: Candidate) -> str:
    if candidate.head not in _CALLED:
        return f"the head {candidate.head}"
    settings = "".join(f", {key}={value}" for key, value in candidate.settings.items())
    return _CALLED[candidate.head].format(settings)


def _splits(answer: Answer) -> str:
    n = answer.n_splits
    if answer.draws_test_rows:
        return f"mean of {n} divisions of the rows"
    return f"mean of {n} seeds" if n > 1 else "one seed"


def _lead(answer: Answer) -> str:
    if answer.chosen.head == answer.reference:
        return _no_lead(answer)
    reference = answer.heads[answer.reference][0]
    plain = f"{answer.reference} with the rule that validation rows chose for it ({reference.rule})"
    gap = answer.differences[answer.chosen.head]
    head = answer.chosen.head
    name = f"The difference of {head}"
    if answer.leads:
        return f"{head} leads {plain} by {_interval(gap)}, beyond chance for {_sources(answer)}."
    if gap.is_clear:
        return (
            f"On the test rows, which choose nothing, {head} trails {plain} by {_interval(gap)},"
            f" beyond chance for {_sources(answer)}: more validation rows would make the choice safer."
        )
    if np.isnan(gap.half_width):
        return f"{name} from {plain} is {_interval(gap)}: whether by chance is not known."
    simpler = "" if answer.chosen.head in answer.baselines else ", which is simpler"
    if answer.verdict(answer.reference) == EQUAL:
        return (
            f"{name} from {plain} is {_interval(gap)}, within {answer.margin:g}:"
            f" {answer.reference} is as good{simpler}."
        )
    return (
        f"{name} from {plain} is {_interval(gap)}, which may be chance: these rows do not tell it from"
        f" {answer.reference}{simpler}."
    )


def _sources(answer: Answer) -> str:
    """What the intervals speak of."""
    if answer.n_splits > 1:
        return "new rows and seeds"
    return "new rows (of other seeds one split says nothing)"


def _no_lead(answer: Answer) -> str:
    gaps = answer.differences
    if not gaps:
        return "Nothing else was tried."
    ahead = {head: gap for head, gap in gaps.items() if gap.is_clear and gap.mean > 0}
    if ahead:
        leads = ", ".join(f"{head} by {_interval(gap)}" for head, gap in ahead.items())
        return f"On the test rows, which choose nothing, these lead it beyond chance: {leads}."
    best = max(gaps, key=lambda head: gaps[head].mean)
    return (
        f"On the test rows nothing else leads it beyond chance for {_sources(answer)}; the nearest is"
        f" {best}, {_interval(gaps[best])}."
    )


def _others(answer: Answer, seconds: float | None) -> str:
    groups = {
        EQUAL: f"equal to it within {answer.margin:g}",
        OPEN: "not told apart from it by so few rows",
        BEHIND: f"more than {answer.margin:g} behind it",
        AHEAD: f"more than {answer.margin:g} ahead of it on the test rows",
    }
    clauses = []
    for verdict, words in groups.items():
        names = [
            head
            for head in answer.from_chosen
            if answer.verdict(head) == verdict and head not in CONSTANT
        ]
        if names:
            clauses.append(f"{words}: {_named(names)}")
    cost = f"training it once takes {duration(answer.seconds[answer.chosen.head])}"
    if seconds is not None:
        cost += f" (the whole comparison, {answer.n_runs} networks, took {duration(seconds)})"
    return f"{_capital('; '.join([*clauses, cost]))}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _named(heads: Sequence[str]) -> str:
    more = len(heads) - _MOST_NAMED
    return ", ".join(heads[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _interval(gap: Difference) -> str:
    if np.isnan(gap.half_width):
        return f"{gap.mean:+.3f} (interval not known)"
    return f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"


def duration(seconds: float) -> str:
    """A time in the unit in which it is read.

    >>> duration(0.31), duration(41.2), duration(250), duration(8000)
    ('0.3 s', '41 s', '4 min', '2.2 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def rows_by_test(answer: Answer) -> list[tuple[str, list[Candidate]]]:
    """Heads, linear models and constants by their value on test rows."""
    return sorted(answer.heads.items(), key=lambda item: -answer.sign * item[1][0].test)


HEADER = ("head", "rule", "val", "test", "minus {}", "verdict")


def first_cells(answer: Answer, name: str) -> list[str]:
    """The row of a head with its best rule."""
    candidate = answer.heads[name][0]
    gap = answer.differences.get(name)
    is_chosen = name == answer.chosen.head
    return [
        f"{'>' if is_chosen else ''}{name}",
        candidate.rule,
        f"{candidate.validation:.3f}",
        f"{candidate.test:.3f}",
        "-" if gap is None else _plus_minus(gap),
        "chosen" if is_chosen else answer.verdict(name),
    ]


def _plus_minus(gap: Difference) -> str:
    return f"{gap.mean:+.3f} {'±?' if np.isnan(gap.half_width) else f'±{gap.half_width:.3f}'}"


def table(answer: Answer) -> Table:
    """The best rule of each head, sorted by its value on test rows."""
    header = [cell.format(answer.reference) for cell in HEADER]
    return Table(header, [first_cells(answer, name) for name in dict(rows_by_test(answer))])


def other_rules(answer: Answer) -> Table | None:
    """The other rules of each head; None where there are none."""
    rows = [
        [name, candidate.rule, f"{candidate.validation:.3f}", f"{candidate.test:.3f}"]
        for name, candidates in rows_by_test(answer)
        for candidate in candidates[1:]
    ]
    return Table(["head", "rule", "val", "test"], rows) if rows else None


def notes(answer: Answer) -> list[str]:
    """What the numbers are, and what is missing."""
    lines = [
        f"> is the choice. It, and each head's rule and settings, are chosen by {answer.metric} on"
        " validation rows (val), the mean over the splits; test rows choose nothing.",
        f"minus {answer.reference}: difference on the test rows, ± half the 95% interval over"
        f" {_varied(answer)} ({answer.n_test:,} in each split), corrected for the number of heads.",
        f"verdict, from the interval of the difference from the choice: equal is within"
        f" {answer.margin:g}, behind and ahead are beyond it, unclear is neither.",
    ]
    if any(name in LINEAR for name in answer.baselines):
        lines.append(
            f"{' and '.join(LINEAR)} are scikit-learn's, one model for each label, on the features that"
            " networks see; validation rows choose C."
        )
    if answer.baselines:
        lines.append(
            "prior and most_frequent_set give every row the same labels: a head that is no better than"
            " these has learned nothing."
        )
    return lines + _left_out(answer)


def _varied(answer: Answer) -> str:
    """What the intervals are over."""
    if answer.n_splits == 1:
        return "test rows; of other seeds one split says nothing"
    return f"{'splits' if answer.draws_test_rows else 'seeds'} and test rows"


def _left_out(answer: Answer) -> list[str]:
    """The runs that do not count, those of one head with one reason together."""
    runs: dict[tuple[str, str], list[str]] = {}
    for run, reason in answer.left_out.items():
        head = run.split("/")[-2] if run.count("/") > 1 else run
        runs.setdefault((head, reason), []).append(run)
    lines = []
    for (head, reason), names in runs.items():
        what = names[0] if len(names) == 1 else f"{len(names)} runs of {head}"
        missing = "" if head in answer.heads else f" No run of {head} has finished."
        lines.append(f"Not counted: {what}: {reason.rstrip('.')}.{missing}")
    return lines


def as_text(answer: Answer, seconds: float | None = None) -> str:
    """The answer for a terminal of 80 columns."""
    paragraphs = ["\n".join(fold(" ".join(sentences(answer, seconds)), WIDTH))]
    paragraphs += [table(answer).text()]
    paragraphs += ["\n".join("\n".join(_hanging(note)) for note in notes(answer))]
    return "\n\n".join(paragraphs)


def _hanging(note: str) -> list[str]:
    first, *more = fold(note, WIDTH - 2)
    return [first, *(f"  {line}" for line in more)]
