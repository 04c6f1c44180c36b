"""The answer as a table with its notes, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mlc.comparing.answer import Answer
from mlc.comparing.candidates import Candidate
from mlc.comparing.intervals import Difference
from mlc.comparing.linear import LINEAR
from mlc.comparing.sentences import named, sentences
from mlc.config.texts import counted, fold, signed
from mlc.reporting.tables import WIDTH, Table


def rows_by_test(answer: Answer) -> list[tuple[str, list[Candidate]]]:
    """Heads, linear models and constants by their value on test rows."""
    return sorted(answer.heads.items(), key=lambda item: -answer.sign * item[1][0].test)


# By how much a chosen lead is too large where each split draws its test rows, and of how many rows
# (results/benchmarks/chosen_lead.csv).
EXCESS, OF_ROWS = 0.007, 300
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
    return f"{signed(gap.mean)} {'±?' if np.isnan(gap.half_width) else f'±{gap.half_width:.3f}'}"


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
    nothing = "; test rows choose nothing"
    turned = "" if answer.sign > 0 else ", its sign turned so that more is better"
    lines = [
        f"> is the chosen head. It, and each head's rule and settings, are chosen by {answer.metric} on"
        f" validation rows (val), the mean over the splits{'' if answer.draws_test_rows else nothing}.",
        f"minus {answer.reference}: difference on the test rows{turned}, ± half the 95% interval over"
        f" {_varied(answer)} ({answer.n_test:,} in each split), corrected for the number of heads.",
        f"verdict, from the interval of the difference from the chosen head: equal is within"
        f" {answer.margin:g}, behind and ahead are beyond it, unclear is neither.",
    ]
    if any(np.isnan(gap.half_width) for gap in answer.differences.values()):
        lines.append(
            "±?: no interval, for these splits and test rows are too few: it would be as wide as the"
            " range of the metric, or the difference is the same in every row."
        )
    if answer.draws_test_rows:
        lines.append(
            "Each split draws its test rows, which are training and validation rows of other splits: the"
            " chosen head's lead tends to be a little too large, by less than its interval"
            f" ({EXCESS:g} in simulations with {OF_ROWS} rows); a fixed test part takes no part in the"
            " choice."
        )
    if any(name in LINEAR for name in answer.baselines):
        lines.append(
            f"{' and '.join(LINEAR)} are scikit-learn's, one model for each label, on the features that"
            " networks see; validation rows choose C."
        )
        lines += _optimism(answer)
    if answer.baselines:
        lines.append(
            "prior and most_frequent_set give every row the same labels: a head that is no better than"
            " these has learned nothing."
        )
    return lines + _missing(answer) + _left_out(answer)


def _varied(answer: Answer) -> str:
    """What the intervals are over."""
    if answer.n_splits == 1:
        return "test rows; of other seeds one split says nothing"
    return f"{'splits' if answer.draws_test_rows else 'seeds'} and test rows"


def _optimism(answer: Answer) -> list[str]:
    """Validation minus test values of heads and of linear models, and which are larger."""

    def gap(names: Iterable[str]) -> float:
        rows = [answer.heads[name][0] for name in names]
        return float(np.mean([answer.sign * (row.validation - row.test) for row in rows]))

    heads = gap(name for name in answer.heads if name not in answer.baselines)
    linear = gap(name for name in answer.baselines if name in LINEAR)
    numbers = f"heads {signed(heads)}, linear models {signed(linear)}"
    excess = round(heads, 3) - round(linear, 3)
    if excess > 0:
        finding = (
            "larger for heads than for linear models, as choosing the epoch makes val too good"
        )
    elif excess < 0:
        finding = "smaller for heads than for linear models"
    else:
        finding = "equal for heads and linear models"
    return [
        "The epoch of a network is chosen on the validation rows, as C of a linear model is. Here val"
        f" minus test (more is better) is {finding} ({numbers}): compare the two by their test rows."
    ]


def _missing(answer: Answer) -> list[str]:
    """The seeds that are not compared, and whose runs they lack."""
    if not answer.missing:
        return []
    lacking = ", ".join(f"{seed} ({named(heads)})" for seed, heads in answer.missing.items())
    are = "are" if answer.n_splits > 1 else "is"
    return [
        f"All values are of the {counted(answer.n_splits, 'split')} that {are} finished"
        f" for every head, those of linear models too; left out, with the heads that lack them: seed"
        f" {lacking}."
    ]


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
