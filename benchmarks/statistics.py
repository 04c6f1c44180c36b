"""Simulated coverage of every interval, and false alarms of every test, that the project prints.

python -m benchmarks.statistics   writes results/statistics/simulated.csv, then docs/statistics.md
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import simulation
from benchmarks.simulation import (
    BOTH_SKEWED,
    CENSORED,
    DIFFERENCE_SKEWED,
    OTHERS_DIFFER,
    SAMPLES,
    RunResult,
)
from mlc.files.writing import write_text
from mlc.reporting.statistics import LEAST_PAIRS
from mlc.reporting.tables import Table

ROOT = Path(__file__).parent.parent
PAGE, ROWS = ROOT / "docs" / "statistics.md", ROOT / "results" / "statistics" / "simulated.csv"
SEEDS = (2, 3, 5, 10)
# Allowed coverage of a 95% interval, and allowed false alarms of a 5% test.
COVERAGE, FALSE_ALARMS = (0.93, 0.97), (0.04, 0.06)
INTERVAL, TEST, FAMILY = "interval", "test", "family"


@dataclass(frozen=True)
class Procedure:
    """An interval or test that the project prints.

    Attributes:
        name: title of the section.
        kind: INTERVAL, TEST, or FAMILY (several tests, of which any may raise a false alarm).
        functions: the functions that compute the result, as MODULE.NAME.
        calls: the statistics functions of libraries that these call.
        text: where the result is printed, and what the simulation measures.
        judge: the simulation of a case, n, repetitions and random numbers.
        cases: names of the simulated distributions.
        sizes: values of n.
        unit: what n counts.
        repetitions: per cell; `few` for cases that are slow to simulate.
    """

    name: str
    kind: str
    functions: tuple[str, ...]
    calls: tuple[str, ...]
    text: str
    judge: Callable[[str, int, int, np.random.Generator], RunResult]
    cases: tuple[str, ...]
    sizes: tuple[int, ...] = SEEDS
    unit: str = "seeds"
    repetitions: int = 40_000
    few: int = 2_000

    def simulate(self, case: str, n: int, repetitions: int, offset: int = 0) -> dict[str, object]:
        """Simulate a cell and return its row, with the share of printed results that are wrong."""
        rng = np.random.default_rng([zlib.crc32(f"{self.name}/{case}/{n}".encode()), offset])
        printed, wrong = self.judge(case, n, repetitions, rng)
        share = float(wrong[printed].mean()) if printed.any() else np.nan
        return {
            "name": self.name, "case": case, "n": n, "repetitions": len(printed),
            "printed": round(float(printed.mean()), 5), "wrong": round(share, 5),
        }  # fmt: skip


_STATISTICS = "mlc.reporting.statistics"
PRINTED = (
    Procedure(
        "A mean ± half its 95% interval", INTERVAL,
        (f"{_STATISTICS}.mean_interval",), ("scipy.special.stdtrit",),
        "Student's t over seeds: every table of `mlc-report`, of the experiments and of the"
        " benchmarks, and the bars of the figures. The simulation counts how often it covers the mean.",
        simulation.judge_mean, tuple(SAMPLES),
    ),
    Procedure(
        "A paired difference ± half its 95% interval", INTERVAL,
        (f"{_STATISTICS}.paired_difference",), ("scipy.special.stdtrit",),
        "The same for differences between runs with equal seeds. The samples are the differences,"
        " except in the last row, where the values of both runs are very skewed.",
        simulation.judge_difference, (*SAMPLES, BOTH_SKEWED),
    ),
    Procedure(
        "The p-value of a paired difference", TEST,
        (f"{_STATISTICS}.paired_difference",), ("scipy.special.stdtr",),
        "Student's t-test, before Holm's correction. The simulation counts how often p < 0.05 although"
        " the mean difference is 0.",
        simulation.judge_p, (*SAMPLES, BOTH_SKEWED),
    ),
    Procedure(
        "p-values and stars with Holm's correction", FAMILY,
        (f"{_STATISTICS}.holm",), (),
        "The column p of `mlc-report`, and the stars of the league, where the heads on one data set are"
        f" the family: {simulation.N_HEADS - 1} heads against one reference, paired by seed. The"
        " simulation counts how often *any* head that equals the reference has p < 0.05.",
        simulation.judge_holm, (*SAMPLES, *DIFFERENCE_SKEWED, OTHERS_DIFFER), repetitions=20_000,
    ),
    Procedure(
        "Friedman's test", TEST,
        ("experiments.league.significance.friedman_p",), ("scipy.stats.friedmanchisquare",),
        f"The league's test of whether {simulation.N_HEADS} heads have uneven ranks over data sets;"
        " printed from 10 data sets on. With 5 the chi-squared approximation raises too few alarms.",
        simulation.judge_friedman, ("normal", "ties", "many ties"), (10, 11), "data sets", 20_000,
    ),
    Procedure(
        "Pairs of heads by Nemenyi's test", FAMILY,
        ("experiments.league.significance.nemenyi_p",),
        ("scikit_posthocs.posthoc_nemenyi_friedman", "scikit_posthocs.critical_difference_diagram"),
        f"The bars in the league's diagrams and the number of separated pairs, of {simulation.N_HEADS}"
        " heads. The simulation counts how often *any* pair is separated although all heads are equal.",
        simulation.judge_nemenyi, ("normal", "ties", "many ties"), (*SEEDS, 11), "data sets", 20_000,
    ),
    Procedure(
        "The rule of thumb for powersets", INTERVAL,
        ("experiments.powerset_samples.crossings.coefficient_intervals",), ("scipy.stats.t",),
        "The ranges in brackets after each coefficient of the regression of log rows on K and log"
        " dependence, from 6 worlds per seed; if censored, one in five has not crossed.",
        simulation.judge_rule, ("normal", "skewed", "very skewed", CENSORED),
    ),
)  # fmt: skip
# Printed ranges that are no intervals, by module; exact numbers, by function.
RANGES = {
    "experiments.powerset_feasibility.layer": "the quartiles of a step's times",
    "experiments.powerset_samples.analysis": "the smallest and largest crossing of the worlds",
    "benchmarks.measuring": "the shortest and longest of the rounds",
}
EXACT = {
    "experiments.league.significance.least_wilcoxon_holm": "the smallest p that any data can give"
}
# Intervals that are too slow to be simulated as often, by module: what they are, and how they are tried.
ELSEWHERE = {
    "mlc.comparing.intervals": "the differences between heads that `mlc-compare` prints, over splits and"
    " test rows, corrected for the number of heads. tests/comparing/test_intervals.py simulates their"
    " false alarms, and `python -m benchmarks.label_permutations` counts the winners that whole"
    " comparisons claim on shuffled labels",
    "experiments.equal_budgets.bootstrap": "the gains over sigmoid of searches with equal budgets,"
    " over seeds and test rows of one data set and over data sets, corrected for the number of"
    " contestants, and the intervals of their ranks. tests/experiments/test_equal_statistics.py"
    " simulates their coverage and compares their variances with closed forms",
    "benchmarks.reproducibility": "the tolerances of the means of `make compare` on other machines."
    " tests/reporting/test_expected.py simulates how often one more machine is outside",
}
# Functions of statistics libraries that are neither interval nor test.
NO_INFERENCE = (
    "scipy.stats.rankdata",
    "scipy.stats.norm",
    "scipy.stats.norm.ppf",
    "scipy.stats.chi2",
)
_MEANING = {
    "normal": "what Student's t assumes",
    "skewed": "skewness 1 (gamma, shape 4)",
    "very skewed": "skewness 2 (exponential)",
    "ties": "normal, rounded to steps of one standard deviation",
    "many ties": "normal, rounded to steps of two standard deviations",
    "constant": "every value the same",
    BOTH_SKEWED: "skewness 2 on both sides, so that the difference has none",
    **{
        case: f"{kind}, and the reference always the same"
        for case, kind in DIFFERENCE_SKEWED.items()
    },
    OTHERS_DIFFER: "normal; the reference and 9 heads alike",
    CENSORED: "one world in five has not crossed with the most rows",
}


def cells() -> Iterator[tuple[Procedure, str, int]]:
    """Yield all simulated cells."""
    for procedure in PRINTED:
        for case in procedure.cases:
            for n in procedure.sizes:
                yield procedure, case, n


def simulate() -> pd.DataFrame:
    """Simulate all cells and return a row for each."""
    rows = []
    for procedure, case, n in cells():
        repetitions = procedure.few if case == CENSORED else procedure.repetitions
        rows.append(procedure.simulate(case, n, repetitions))
        print(*rows[-1].values(), flush=True)
    return pd.DataFrame(rows)


def holds(kind: str, wrong: float) -> bool:
    """Return whether a share of missed intervals or false alarms is in the allowed range."""
    if kind == INTERVAL:
        return COVERAGE[0] <= 1 - wrong <= COVERAGE[1]
    return FALSE_ALARMS[0] <= wrong <= FALSE_ALARMS[1] if kind == TEST else wrong <= 0.05


def page(rows: pd.DataFrame) -> str:
    """Return the content of docs/statistics.md."""
    parts = [_INTRODUCTION]
    for procedure in PRINTED:
        group = rows[rows["name"] == procedure.name].set_index(["case", "n"])
        promise = {
            INTERVAL: "Covers (95% is meant, 93 to 97% promised)",
            TEST: "False alarms (5% is meant, 4 to 6% promised)",
            FAMILY: "Any false alarm in the family (at most 5% is meant and promised)",
        }[procedure.kind]
        lines = [
            [case, *(_cell(procedure.kind, group.loc[case, n]) for n in procedure.sizes)]
            for case in procedure.cases
        ]
        header = [promise, *(f"{n} {procedure.unit}" for n in procedure.sizes)]
        names = ", ".join(f"`{name}`" for name in procedure.functions)
        parts += [
            f"## {procedure.name}",
            f"{procedure.text} ({names})",
            Table(header, lines, 1).markdown(),
        ]
    meanings = [[case, text] for case, text in _MEANING.items()]
    parts += ["## The samples", Table(["name", "meaning"], meanings).markdown()]
    elsewhere = [f"- `{name}`: {text}." for name, text in ELSEWHERE.items()]
    parts += ["## Simulated elsewhere", "\n".join(elsewhere)]
    ranges = [f"- `{name}`: {text}" for name, text in {**RANGES, **EXACT}.items()]
    parts += ["## No intervals", _RANGES_TEXT, "\n".join(ranges)]
    return "\n\n".join(parts) + "\n"


def _cell(kind: str, row: pd.Series) -> str:
    if row["printed"] == 0:
        return "not printed"
    share = 1 - row["wrong"] if kind == INTERVAL else row["wrong"]
    text = f"{share:.1%}" if holds(kind, row["wrong"]) else f"**{share:.1%}**"
    return text if row["printed"] > 0.9995 else f"{text} ({row['printed']:.0%} printed)"


_INTRODUCTION = f"""# Accuracy of the intervals and tests

`python -m benchmarks.statistics` writes this page from `results/statistics/simulated.csv`: it
simulates every interval and test that the project prints, on samples with known truth. A share has a
standard error of at most 0.2 points (0.35 for families of tests, 0.5 where worlds are censored).
Values outside the promised range are bold.

The conclusions are:

- With values that are about normal over the seeds, each interval has its nominal coverage from two
  seeds on, and each test its nominal share of false alarms from five seeds on.
- With skewed values (such as gamma variables of shape 4) intervals still cover 93%. Very skewed values
  are covered in only 88 to 91% of cases. If both sides of a difference are equally skewed, the
  difference is not, and tests raise fewer false alarms. A skewed difference raises more: a single one
  6% (10 to 12% if very skewed), one of a family of 19 corrected by Holm 10 to 13% (37%).
- Ten values do not show how skewed their distribution is, so no table can exclude these cases; the
  notes of each summary say so instead.
- If seeds differ only in a few steps (ties), printed intervals of two or three seeds cover too much,
  because all equal values, which would miss, give no interval.
- No interval and no p-value is printed if all values are equal up to rounding (a relative 1e-9): both
  divide by the spread, which is not known to be 0.
- No p-value is printed below {LEAST_PAIRS} seeds. A t-test of fewer normal values would also be
  correct, but it would depend on a spread estimated from two to four differences.
- Intervals are over seeds (initialisation, batches, validation rows) on the same test rows. They do
  not cover other test rows or other data sets. In exact worlds a seed also draws the world. If a mean
  is over several settings, each seed's mean over them is one value, because seeds share the draws."""

_RANGES_TEXT = """These numbers in brackets, or after the word "least", are not intervals, and have no
promised coverage:"""


def main() -> None:
    """Simulate, then write both files."""
    rows = simulate()
    write_text(ROWS, rows.to_csv(index=False))
    write_text(PAGE, page(pd.read_csv(ROWS)))


if __name__ == "__main__":
    main()
