"""How often the intervals of a comparison hold where no head differs from another, by simulation.

python -m benchmarks.interval_coverage            # about two minutes on one idle core
python -m benchmarks.interval_coverage --worlds 100
python -m benchmarks.interval_coverage --redrawn  # each split tests on rows of its own

Splits share their test rows. A head's mean in a split varies by its spread; the spreads are equal, or
one is ten times the others, or they lie between a quarter of it and eight times, evenly by their
logarithm. Rows vary little ("seeds"), or as much as splits do ("rows and seeds").

With --redrawn each split draws a quarter of the rows to test on, so that splits share training rows and
test rows. The effects of two splits on a head are correlated by the share of test rows among those that
are not for validation, as Nadeau and Bengio (2003) take them to be.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from mlc.comparing.intervals import Part, simultaneous

_ROWS, _SPREAD = 200, 0.02
_NOISE = {"seeds": (0.02, 0.02), "rows and seeds": (0.15, 0.1)}


def spreads(case: str, n_heads: int) -> NDArray[np.float64]:
    """The standard deviation of each head between splits."""
    if case == "equal":
        return np.full(n_heads, _SPREAD)
    if case == "one is 10 times the others":
        return np.append(np.full(n_heads - 1, _SPREAD), 10 * _SPREAD)
    return np.geomspace(_SPREAD / 4, 8 * _SPREAD, n_heads)


CASES = ("equal", "one is 10 times the others", "1/4 to 8 times")


def coverage(
    case: str, noise: str, n_splits: int, n_heads: int, n_worlds: int
) -> tuple[float, float, float]:
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
        heads = {str(head): [Part(rows, own) for own in of] for head, of in enumerate(values)}
        gaps = list(simultaneous(heads, "0").values())
        holds[world] = [gap.low <= 0 <= gap.high for gap in gaps]
        widths[world] = gaps[0].half_width
    return float(holds.all(axis=1).mean()), float(holds.mean(axis=0).min()), float(widths.mean())


_ALL, _TEST, _VALIDATION = 400, 0.25, 0.15
REDRAWN_SPREADS, REDRAWN_SPLITS = (0.0, 0.01, 0.02), (3, 6, 7, 10)


def redrawn_coverage(
    spread: float, n_splits: int, n_heads: int, n_worlds: int
) -> tuple[float, float, float]:
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
            common, own = rng.normal(0, spread), rng.normal(0, spread, n_splits)
            effects = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
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


def _print_redrawn(n_worlds: int) -> None:
    print("| spread | heads | splits | all hold | the worst head's | first half-width |")
    print("| --- | --- | --- | --- | --- | --- |")
    for spread in REDRAWN_SPREADS:
        for n_heads in (4, 8):
            for n_splits in REDRAWN_SPLITS:
                values = redrawn_coverage(spread, n_splits, n_heads, n_worlds)
                cells = [f"{spread:g}", str(n_heads), str(n_splits), *(f"{v:.3f}" for v in values)]
                print("|", " | ".join(cells), "|", flush=True)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        description="Simulate the coverage of a comparison's intervals."
    )
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--redrawn", action="store_true")
    arguments = parser.parse_args()
    n_worlds = arguments.worlds
    if arguments.redrawn:
        _print_redrawn(n_worlds)
        return
    print("| varying | spreads | splits | heads | all hold | the worst head's | first half-width |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for noise in _NOISE:
        for case in CASES:
            for n_splits in (3, 6):
                for n_heads in (4, 8, 20):
                    values = coverage(case, noise, n_splits, n_heads, n_worlds)
                    cells = [f"{value:.3f}" for value in values]
                    print("|", " | ".join([noise, case, str(n_splits), str(n_heads), *cells]), "|")


if __name__ == "__main__":
    main()
