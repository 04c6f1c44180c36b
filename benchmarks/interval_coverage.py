"""How often the intervals of a comparison hold where no head differs from another, by simulation.

python -m benchmarks.interval_coverage            # about ten minutes on one core
python -m benchmarks.interval_coverage --worlds 100

Splits share their test rows. A head's mean in a split varies by its spread; the spreads are equal, or
one is ten times the others, or they lie between a quarter of it and eight times, evenly by their
logarithm. Rows vary little ("seeds"), or as much as splits do ("rows and seeds").
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


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        description="Simulate the coverage of a comparison's intervals."
    )
    parser.add_argument("--worlds", type=int, default=500)
    n_worlds = parser.parse_args().worlds
    print("| varying | spreads | splits | heads | all hold | the worst head's | first half-width |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for noise in _NOISE:
        for case in CASES:
            for n_splits in (3, 5):
                for n_heads in (4, 8, 20):
                    values = coverage(case, noise, n_splits, n_heads, n_worlds)
                    cells = [f"{value:.3f}" for value in values]
                    print("|", " | ".join([noise, case, str(n_splits), str(n_heads), *cells]), "|")


if __name__ == "__main__":
    main()
