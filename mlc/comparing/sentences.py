"""The answer in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.comparing.answer import AHEAD, BEHIND, EQUAL, OPEN, WORTH, Answer
from mlc.comparing.candidates import Candidate
from mlc.comparing.intervals import Difference
from mlc.comparing.linear import CONSTANT, HEAD_OF
from mlc.config.texts import counted, signed
from mlc.metrics.names import largest_difference
from mlc.reporting.gaps import interval_text

_MOST_NAMED = 6


# What a reader calls the contestants that are no heads.
_CALLED = {
    "linear_svm": "a linear SVM for each label (linear_svm{})",
    "logistic_regression": "a logistic regression for each label (logistic_regression{})",
    "prior": "no model: every row gets the same labels, by their frequencies (prior)",
    "most_frequent_set": "no model: every row gets the most frequent label set (most_frequent_set)",
}


def sentences(answer: Answer, seconds: float | None = None) -> list[str]:
    """The answer, a sentence each: the head to use, its lead over plain sigmoids, a linear model beside
    it, and what else is as good with what it costs.

    The linear model comes first where it leads the head both on validation rows and beyond chance on
    test rows.

    Args:
        answer: the answer.
        seconds: the comparison took, if that is known.
    """
    use, lead, beside = _use(answer), _lead(answer), _beside(answer)
    text = [use, lead, beside, _others(answer, seconds)]
    if is_better_without_a_head(answer):
        text[:3] = beside, use.replace("Use the head", "Of the heads, use", 1), lead
    return [sentence for sentence in text if sentence is not None]


def is_better_without_a_head(answer: Answer) -> bool:
    """Whether a contestant that is no head leads the chosen head by validation and by test rows."""
    rival = answer.rival
    if rival is None or answer.simplest.head != rival.head:
        return False
    gap = answer.from_chosen[rival.head]
    return gap.is_clear and gap.mean > 0


def _use(answer: Answer) -> str:
    chosen = answer.chosen
    others = [
        rows[0]
        for head, rows in answer.heads.items()
        if head != chosen.head and head not in answer.baselines
    ]
    values = f"{answer.metric} is {chosen.test:.3f} on the test rows ({_splits(answer)})"
    use = f"Use the head {chosen.head}, decided by the rule {chosen.rule}: its {values}, and on"
    best = max(others, key=lambda other: answer.sign * other.validation, default=None)
    if best is None or answer.sign * (chosen.validation - best.validation) >= 0:
        return f"{use} validation rows it is the best head that was tried, {chosen.validation:.3f}."
    return (
        f"{use} validation rows, {chosen.validation:.3f}, no other head leads it by more than"
        f" {_worth(answer)} (the best is {best.head}, {best.validation:.3f})."
    )


def _beside(answer: Answer) -> str | None:
    """How a linear model, or a constant that is no worse on validation rows, stands against the head."""
    rival = answer.rival
    if rival is None:
        return None
    gap, head = answer.from_chosen[rival.head], answer.chosen.head
    name = f"{_capital(_called(rival))}, with the rule {rival.rule},"
    if rival.head in CONSTANT:
        name = f"{_capital(_called(rival))}:"
    elif is_better_without_a_head(answer):
        name = f"Use a linear model, no head: {_called(rival)}, with the rule {rival.rule},"
    if gap.is_clear:
        text = (
            f"{name} {'leads' if gap.mean > 0 else 'trails'} {head} by {_interval(answer, gap)} on"
            f" the test rows, beyond chance for {_sources(answer)}"
        )
    elif np.isnan(gap.half_width):
        text = f"{name} differs from {head} by {_interval(answer, gap)}: whether by chance is not known"
    elif answer.verdict(rival.head) == EQUAL:
        text = f"{name} differs from {head} by {_interval(answer, gap)}, within {answer.margin:g}"
    else:
        text = f"{name} {_verb(gap)} {head} by {_interval(answer, gap)}, which may be chance"
    if answer.simplest.head == rival.head:
        text += (
            f"; on validation rows, too, no head leads it by more than {_worth(answer)}"
            f" ({rival.validation:.3f}, and {head} {answer.chosen.validation:.3f}, whose epoch they"
            " choose)"
        )
    if is_better_without_a_head(answer) and rival.head in HEAD_OF:
        text += f". mlc trains it as backbone=linear head={HEAD_OF[rival.head]}"
    return f"{text}."


def _worth(answer: Answer) -> str:
    """The lead on validation rows up to which the simpler of two is chosen."""
    return f"{WORTH * answer.margin:.3g}, a fifth of the margin"


def _verb(gap: Difference) -> str:
    if not float(signed(gap.mean)):
        return "differs from"
    return "leads" if gap.mean > 0 else "trails"


def _called(candidate: Candidate) -> str:
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
        return (
            f"{head} leads {plain} by {_interval(answer, gap)} on the test rows, beyond chance for"
            f" {_sources(answer)}."
        )
    if gap.is_clear:
        return (
            f"{_on_test_rows(answer)} {head} trails {plain} by {_interval(answer, gap)},"
            f" beyond chance for {_sources(answer)}: more validation rows would make the choice safer."
        )
    if np.isnan(gap.half_width):
        return f"{name} from {plain} is {_interval(answer, gap)}: whether by chance is not known."
    if answer.verdict(answer.reference) == EQUAL:
        return (
            f"{name} from {plain} is {_interval(answer, gap)}, within {answer.margin:g}:"
            f" {answer.reference} is as good, which is simpler."
        )
    return (
        f"{name} from {plain} is {_interval(answer, gap)}, which may be chance: these rows do not"
        f" tell it from {answer.reference}, which is simpler."
    )


def _on_test_rows(answer: Answer) -> str:
    choose = "" if answer.draws_test_rows else ", which choose nothing,"
    return f"On the test rows{choose}"


def _sources(answer: Answer) -> str:
    """What the intervals speak of."""
    if answer.n_splits > 1:
        return "new rows and seeds"
    return "new rows (of other seeds one split says nothing)"


def _no_lead(answer: Answer) -> str:
    gaps = {h: gap for h, gap in answer.differences.items() if h not in answer.baselines}
    if not gaps:
        return "No other head was tried."
    ahead = {head: gap for head, gap in gaps.items() if gap.is_clear and gap.mean > 0}
    if ahead:
        leads = ", ".join(f"{head} by {_interval(answer, gap)}" for head, gap in ahead.items())
        return f"{_on_test_rows(answer)} these lead it beyond chance: {leads}."
    best = max(gaps, key=lambda head: gaps[head].mean)
    return (
        f"It is plain sigmoids: on the test rows no head leads it beyond chance for {_sources(answer)};"
        f" the nearest is {best}, {_interval(answer, gaps[best])}."
    )


def _others(answer: Answer, seconds: float | None) -> str:
    groups = {
        EQUAL: f"equal to it within {answer.margin:g}",
        OPEN: f"too few rows to tell whether they are within {answer.margin:g} of it",
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
            clauses.append(f"{words}: {named(names)}")
    cost = f"training it once takes {duration(answer.seconds[answer.chosen.head])}"
    if seconds is not None:
        cost += f" (the whole comparison, {counted(answer.n_runs, 'network')}, took"
        cost += f" {duration(seconds)})"
    return f"{_capital('; '.join([*clauses, cost]))}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def named(heads: Sequence[str]) -> str:
    """Names with commas between them, the first few of many."""
    more = len(heads) - _MOST_NAMED
    return ", ".join(heads[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _interval(answer: Answer, gap: Difference) -> str:
    if np.isnan(gap.half_width):
        return f"{signed(gap.mean)} (too few splits or test rows for an interval)"
    if gap.mean == gap.half_width == 0:
        return f"{signed(0)} (equal in every row)"
    return interval_text(gap.mean, gap.half_width, largest_difference(answer.metric))


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
