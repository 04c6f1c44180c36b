"""The answer in sentences and as a table, for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.comparing.answer import AHEAD, BEHIND, EQUAL, OPEN, Answer
from mlc.comparing.candidates import Candidate
from mlc.comparing.intervals import Difference
from mlc.config.texts import fold
from mlc.reporting.tables import WIDTH, Table

_MOST_NAMED = 6


def sentences(answer: Answer, seconds: float | None = None) -> list[str]:
    """The answer: what to use, its lead, what is as good and what it costs; a sentence each.

    A fourth says so where a linear model is ahead by more than the margin.

    Args:
        answer: the answer.
        seconds: the comparison took, if that is known.
    """
    said = [_use(answer), _lead(answer), _others(answer, seconds)]
    ahead = {
        name: value
        for name, value in answer.yardsticks.items()
        if answer.sign * (value - answer.chosen.test) > answer.margin
    }
    if ahead:
        named = ", ".join(f"{name} {value:.3f}" for name, value in ahead.items())
        said.append(f"No network is needed here: {named} on the same test rows.")
    return said


def _use(answer: Answer) -> str:
    own = answer.chosen
    others = [rows[0] for head, rows in answer.heads.items() if head != own.head]
    values = f"{answer.metric} is {own.test:.3f} on the test rows ({_splits(answer)})"
    if own.head != answer.reference or not others:
        return (
            f"Use the head {own.head}, decided by the rule {own.rule}: its {values}, and on validation"
            f" rows it is the best of all that was tried, {own.validation:.3f}."
        )
    best = others[0]
    return (
        f"Use {own.head}, the simplest head, decided by the rule {own.rule}: its {values}, and on"
        f" validation rows, {own.validation:.3f}, no other head has a lead that is worth it (the best of"
        f" the others is {best.head}, {best.validation:.3f})."
    )


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
    if answer.leads:
        return f"It leads {plain} by {_interval(gap)}, beyond chance for new rows and seeds."
    if gap.is_clear:
        return f"On the test rows it trails {plain} by {_interval(gap)}: use that one instead."
    return (
        f"Its difference from {plain} is {_interval(gap)}, no more than chance:"
        f" {answer.reference} is as good a choice, and the simplest."
    )


def _no_lead(answer: Answer) -> str:
    gaps = answer.differences
    if not gaps:
        return "No other head was tried."
    ahead = {head: gap for head, gap in gaps.items() if gap.is_clear and gap.mean > 0}
    if ahead:
        leads = ", ".join(f"{head} by {_interval(gap)}" for head, gap in ahead.items())
        return f"On the test rows, which choose nothing, these lead it beyond chance: {leads}."
    best = max(gaps, key=lambda head: gaps[head].mean)
    return (
        f"On the test rows no other head leads it beyond chance; the nearest is {best},"
        f" {_interval(gaps[best])}."
    )


def _others(answer: Answer, seconds: float | None) -> str:
    groups = {
        EQUAL: f"equal to it within {answer.margin:g}",
        OPEN: "not told apart from it by so few rows",
        BEHIND: f"more than {answer.margin:g} behind it",
        AHEAD: f"more than {answer.margin:g} ahead of it on the test rows",
    }
    found = []
    for verdict, words in groups.items():
        names = [head for head in answer.from_chosen if answer.verdict(head) == verdict]
        if names:
            found.append(f"{words}: {_named(names)}")
    cost = f"training it once takes {duration(answer.seconds[answer.chosen.head])}"
    if seconds is not None:
        cost += f" (the whole comparison, {answer.n_runs} networks, took {duration(seconds)})"
    return f"{_capital('; '.join([*found, cost]))}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _named(heads: Sequence[str]) -> str:
    more = len(heads) - _MOST_NAMED
    return ", ".join(heads[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _interval(gap: Difference) -> str:
    if gap.half_width != gap.half_width:
        return f"{gap.mean:+.3f}"
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
    """Heads and yardsticks by their value on test rows; yardsticks have no candidate."""
    values = {head: rows[0].test for head, rows in answer.heads.items()} | answer.yardsticks
    ordered = sorted(values, key=lambda name: -answer.sign * values[name])
    return [(name, answer.heads.get(name, [])) for name in ordered]


HEADER = ("head", "rule", "val", "test", "less {}", "against >")


def first_cells(answer: Answer, name: str) -> list[str]:
    """The row of a head with its best rule, or of a yardstick."""
    if name not in answer.heads:
        return [f"({name})", "-", "-", f"{answer.yardsticks[name]:.3f}", "-", "-"]
    own = answer.heads[name][0]
    gap = answer.differences.get(name)
    is_chosen = name == answer.chosen.head
    return [
        f"{'>' if is_chosen else ''}{name}",
        own.rule,
        f"{own.validation:.3f}",
        f"{own.test:.3f}",
        "-" if gap is None else _plus_minus(gap),
        "-" if is_chosen else answer.verdict(name),
    ]


def _plus_minus(gap: Difference) -> str:
    width = "" if gap.half_width != gap.half_width else f" ±{gap.half_width:.3f}"
    return f"{gap.mean:+.3f}{width}"


def table(answer: Answer) -> Table:
    """The best rule of each head, sorted by its value on test rows, and the yardsticks."""
    header = [cell.format(answer.reference) for cell in HEADER]
    return Table(header, [first_cells(answer, name) for name, _ in rows_by_test(answer)])


def other_rules(answer: Answer) -> Table | None:
    """The other rules of each head; None where there are none."""
    rows = [
        [name, own.rule, f"{own.validation:.3f}", f"{own.test:.3f}"]
        for name, candidates in rows_by_test(answer)
        for own in candidates[1:]
    ]
    return Table(["head", "rule", "val", "test"], rows) if rows else None


def notes(answer: Answer) -> list[str]:
    """What the numbers are, and what is missing."""
    said = [
        f"> and each head's rule and settings are chosen by {answer.metric} on validation rows (val),"
        " the mean over the splits; test rows choose nothing.",
        f"less {answer.reference}: difference on the test rows, ± half the 95% interval over"
        f" {'splits' if answer.draws_test_rows else 'seeds'} and test rows ({answer.n_test:,} in"
        " each), corrected for the number of heads.",
    ]
    if answer.yardsticks:
        said.append(
            "In brackets: linear models, tuned on the same validation rows, and the most frequent"
            " label set for every row."
        )
    said += [f"Not counted: {run}: {reason}" for run, reason in answer.left_out.items()]
    return said


def as_text(answer: Answer, seconds: float | None = None) -> str:
    """The answer for a terminal of 80 columns."""
    paragraphs = ["\n".join(fold(" ".join(sentences(answer, seconds)), WIDTH))]
    paragraphs += [table(answer).text()]
    paragraphs += ["\n".join("\n".join(_hanging(note)) for note in notes(answer))]
    return "\n\n".join(paragraphs)


def _hanging(note: str) -> list[str]:
    first, *more = fold(note, WIDTH - 2)
    return [first, *(f"  {line}" for line in more)]
