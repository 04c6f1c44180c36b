"""How often the intervals of a comparison hold where no head differs from another, by simulation.

python -m benchmarks.interval_coverage               # about three minutes of one core
python -m benchmarks.interval_coverage --worlds 100  # fewer

Each simulated case is a row of results/benchmarks/interval_coverage.csv and is not computed again: the
same command goes on where it was stopped, and then writes the tables of docs/compare.md.

Shared: splits share their test rows. A head's mean in a split varies by its spread; the spreads are
equal, or one is ten times the others, or they lie between a quarter of it and eight times, evenly by
their logarithm. Rows vary little ("seeds"), or as much as splits do ("rows and seeds").

Redrawn: each split draws a quarter of the rows to test on, so that splits share training rows and test
rows. The effects of two splits on a head are correlated by the share of test rows among those that are
not for validation, as Nadeau and Bengio (2003) take them to be.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.measuring import RESULTS, append_rows, stored_rows, write
from mlc.comparing.intervals import Part, simultaneous
from mlc.files.writing import write_text
from mlc.reporting.tables import Table

STORED = RESULTS / "interval_coverage.csv"
PAGE = RESULTS.parent.parent / "docs" / "compare.md"
_ROWS, _SPREAD = 200, 0.02
_NOISE = {"seeds": (0.02, 0.02), "rows and seeds": (0.15, 0.1)}
CASES = ("equal", "one is 10 times the others", "1/4 to 8 times")
_ALL, _TEST, _VALIDATION = 400, 0.25, 0.15
REDRAWN_SPREADS, REDRAWN_SPLITS = (0.0, 0.01, 0.02), (3, 6, 10)
SHARED, REDRAWN = "shared", "redrawn"
_KEY = ("test_rows", "noise", "spreads", "splits", "heads")

Coverage = tuple[float, float, float]


def spreads(case: str, n_heads: int) -> NDArray[np.float64]:
    """The standard deviation of each head between splits."""
    if case == "equal":
        return np.full(n_heads, _SPREAD)
    if case == "one is 10 times the others":
        return np.append(np.full(n_heads - 1, _SPREAD), 10 * _SPREAD)
    return np.geomspace(_SPREAD / 4, 8 * _SPREAD, n_heads)


def coverage(case: str, noise: str, n_splits: int, n_heads: int, n_worlds: int) -> Coverage:
    """The share of worlds in which all intervals hold, that of the worst head, and the first's width."""
    rng = np.random.default_rng(0)
    of_row, of_both = _NOISE[noise]
    rows, sizes = np.arange(_ROWS), spreads(case, n_heads)[:, None, None]
    holds = np.zeros((n_worlds, n_heads - 1), dtype=bool)
    widths = np.zeros(n_worlds)
    for world in range(n_worlds):
        values = (
            rng.normal(0, sizes, (n_heads, n_splits, 1))
            + rng.normal(0, of_row, (n_heads, 1, _ROWS))
            + rng.normal(0, of_both, (n_heads, n_splits, _ROWS))
        )
        heads = {
            str(head): [Part(rows, of_split) for of_split in of_head]
            for head, of_head in enumerate(values)
        }
        gaps = list(simultaneous(heads, "0").values())
        holds[world] = [gap.low <= 0 <= gap.high for gap in gaps]
        widths[world] = gaps[0].half_width
    return float(holds.all(axis=1).mean()), float(holds.mean(axis=0).min()), float(widths.mean())


def redrawn_coverage(spread: float, n_splits: int, n_heads: int, n_worlds: int) -> Coverage:
    """The same where each split draws its test rows anew, for heads of one spread between splits."""
    rng = np.random.default_rng(0)
    of_row, of_both = _NOISE["rows and seeds"]
    n_test = round(_TEST * _ALL)
    shared = _TEST / (1 - _VALIDATION)
    holds = np.zeros((n_worlds, n_heads - 1), dtype=bool)
    widths = np.zeros(n_worlds)
    for world in range(n_worlds):
        rows = [np.sort(rng.choice(_ALL, n_test, replace=False)) for _ in range(n_splits)]
        heads = {}
        for head in range(n_heads):
            common, apart = rng.normal(0, spread), rng.normal(0, spread, n_splits)
            effects = np.sqrt(shared) * common + np.sqrt(1 - shared) * apart
            of_rows = rng.normal(0, of_row, _ALL)
            heads[str(head)] = [
                Part(tested, effect + of_rows[tested] + rng.normal(0, of_both, n_test))
                for tested, effect in zip(rows, effects, strict=True)
            ]
        overlap = _TEST / (1 - _TEST - _VALIDATION)
        gaps = list(simultaneous(heads, "0", overlap=overlap).values())
        holds[world] = [gap.low <= 0 <= gap.high for gap in gaps]
        widths[world] = gaps[0].half_width
    return float(holds.all(axis=1).mean()), float(holds.mean(axis=0).min()), float(widths.mean())


def cells() -> Iterator[tuple[str, str, str, int, int]]:
    """Yield the simulated cases, as the columns of _KEY."""
    for noise, case, n_splits, n_heads in product(_NOISE, CASES, (3, 6), (4, 8, 20)):
        yield SHARED, noise, case, n_splits, n_heads
    for spread, n_heads, n_splits in product(REDRAWN_SPREADS, (4, 8), REDRAWN_SPLITS):
        yield REDRAWN, "rows and seeds", f"{spread:g}", n_splits, n_heads


def simulated(cell: tuple[str, str, str, int, int], n_worlds: int) -> dict[str, object]:
    """Simulate a case and return its row."""
    test_rows, noise, case, n_splits, n_heads = cell
    if test_rows == SHARED:
        values = coverage(case, noise, n_splits, n_heads, n_worlds)
    else:
        values = redrawn_coverage(float(case), n_splits, n_heads, n_worlds)
    numbers = zip(("all", "worst_head", "half_width"), values, strict=True)
    return {
        **dict(zip(_KEY, cell, strict=True)), "worlds": n_worlds,
        **{name: round(value, 4) for name, value in numbers},
    }  # fmt: skip


def shared_table(rows: pd.DataFrame) -> Table:
    """The least shares of worlds in which intervals hold, over the heads and the noise."""
    rows = rows[rows["test_rows"] == SHARED]
    lines = []
    for case in CASES:
        cells = [case]
        for n_splits in (6, 3):
            some = rows[(rows["spreads"] == case) & (rows["splits"] == n_splits)]
            least, few = some["all"].min(), some.loc[some["heads"] <= 8, "all"].min()
            text = f"{least:.2f}" if few - least < 0.05 else f"{least:.2f}; up to 8 heads {few:.2f}"
            cells += [text, f"{some['worst_head'].min():.2f}"]
        lines.append(cells)
    header = [
        "spreads of the heads between splits", "all, 6 splits", "those of the worst head",
        "all, 3 splits", "the worst head",
    ]  # fmt: skip
    return Table(header, lines)


def redrawn_table(rows: pd.DataFrame) -> Table:
    """The least shares over the heads, and the half-widths of 4 and of 8 heads."""
    rows = rows[rows["test_rows"] == REDRAWN]
    lines = []
    for spread, n_splits in product(REDRAWN_SPREADS, REDRAWN_SPLITS):
        some = rows[(rows["spreads"] == f"{spread:g}") & (rows["splits"] == n_splits)]
        widths = some.sort_values("heads")["half_width"]
        lines.append(
            [
                f"{spread:g}", str(n_splits), f"{some['all'].min():.2f}",
                f"{some['worst_head'].min():.2f}", ", ".join(f"{width:.3f}" for width in widths),
            ]
        )  # fmt: skip
    header = [
        "spread between splits", "splits", "all intervals hold", "those of the worst head",
        "half-width",
    ]  # fmt: skip
    return Table(header, lines)


def with_tables(text: str, rows: pd.DataFrame) -> str:
    """Return the page with both tables made from the rows, each in the place of one with its header."""
    for table in (shared_table(rows), redrawn_table(rows)):
        lines = [_row(table.header), _row(["---"] * len(table.header)), *map(_row, table.rows)]
        header = re.escape(lines[0])
        text, n_replaced = re.subn(rf"{header}\n(?:\|.*\n)*", "\n".join(lines) + "\n", text)
        if n_replaced != 1:
            raise ValueError(f"{PAGE} has {n_replaced} tables with the header {lines[0]}.")
    return text


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def read(rows: Sequence[dict[str, str]]) -> pd.DataFrame:
    """Return the stored rows with numbers where they are numbers."""
    frame = pd.DataFrame(rows)
    texts = ("test_rows", "noise", "spreads")
    return frame.astype({name: float for name in frame.columns if name not in texts})


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate the cases that are missing, and write the tables."""
    parser = argparse.ArgumentParser(
        description="Simulate the coverage of a comparison's intervals."
    )
    parser.add_argument("--worlds", type=int, default=400)
    n_worlds = parser.parse_args(arguments).worlds
    stored = {tuple(row[name] for name in _KEY) for row in stored_rows(STORED)}
    for cell in cells():
        if tuple(map(str, cell)) not in stored:
            append_rows(STORED, [simulated(cell, n_worlds)])
            print(*cell, flush=True)
    rows = read(stored_rows(STORED))
    worlds = f"{int(rows['worlds'].min()):,} worlds of each case"
    write(
        "interval_coverage", "How often a comparison's intervals hold",
        "python -m benchmarks.interval_coverage",
        [
            (
                f"Splits share their test rows; 4, 8 and 20 heads that do not differ, and rows that vary"
                f" little or as much as splits do ({worlds}). The least shares of worlds in which the"
                " intervals hold:",
                shared_table(rows),
            ),
            (
                f"Each split draws a quarter of {_ALL} rows to test on; 4 and 8 heads ({worlds}). The"
                " least shares, and the half-widths of 4 and of 8 heads:",
                redrawn_table(rows),
            ),
        ],
    )  # fmt: skip
    write_text(PAGE, with_tables(PAGE.read_text(encoding="utf-8"), rows))


if __name__ == "__main__":
    main()
