"""docs/statistics.md: made from its rows, which a simulation gives again, of all that is printed."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy import stats

from benchmarks import simulation
from benchmarks.statistics import (
    ELSEWHERE,
    EXACT,
    FAMILY,
    INTERVAL,
    NO_INFERENCE,
    PAGE,
    PRINTED,
    RANGES,
    ROWS,
    TEST,
    cells,
    holds,
    page,
)
from mlc.reporting import statistics
from mlc.reporting.statistics import holm, mean_interval, paired_difference
from tests.conftest import REPOSITORY

LIBRARIES = ("scipy.stats.", "scipy.special.stdtr", "scikit_posthocs.", "statsmodels.", "pingouin.")
SOURCES = [
    file
    for folder in ("mlc", "experiments", "benchmarks")
    for file in sorted((REPOSITORY / folder).rglob("*.py"))
    if file.name != "simulation.py"
]
REGISTERED = {call for procedure in PRINTED for call in procedure.calls}
FUNCTIONS = {name for procedure in PRINTED for name in procedure.functions}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return pd.read_csv(ROWS)


def test_the_page_follows_from_its_rows(rows: pd.DataFrame) -> None:
    assert PAGE.read_text() == page(rows), "run python -m benchmarks.statistics"
    planned = [(procedure.name, case, n) for procedure, case, n in cells()]
    assert list(rows[["name", "case", "n"]].itertuples(index=False, name=None)) == planned


@pytest.mark.parametrize("procedure", PRINTED, ids=lambda procedure: procedure.name)
def test_the_rows_follow_from_a_simulation(procedure, rows: pd.DataFrame) -> None:
    own = rows[rows["name"] == procedure.name].set_index(["case", "n"])
    for case in procedure.cases[:3]:
        n = procedure.sizes[2 % len(procedure.sizes)]
        # Other random numbers than those of the page.
        again, stored = procedure.simulate(case, n, 4000, offset=1), own.loc[case, n]
        for column, base in (("printed", 1.0), ("wrong", stored["printed"])):
            share = stored[column]
            error = np.sqrt(share * (1 - share) * 2 / (4000 * base))
            # Five standard errors, of both samples together.
            assert again[column] == pytest.approx(share, abs=5 * error + 1e-3)


def test_what_is_promised_holds(rows: pd.DataFrame) -> None:
    kinds = {procedure.name: procedure.kind for procedure in PRINTED}
    for row in rows[rows["printed"] > 0].itertuples():
        is_normal = row.case in ("normal", simulation.CENSORED, simulation.OTHERS_DIFFER)
        if is_normal or (
            kinds[row.name] == FAMILY and row.case not in simulation.DIFFERENCE_SKEWED
        ):
            assert holds(kinds[row.name], row.wrong), row
    assert (rows[rows["case"] == "constant"]["printed"] == 0).all()
    p_values = rows[rows["name"].str.startswith("The p-value")]
    assert (p_values[p_values["n"] < 5]["printed"] == 0).all()


@pytest.mark.parametrize(
    ("kind", "wrong", "held"),
    [
        (INTERVAL, 0.031, True), (INTERVAL, 0.029, False), (INTERVAL, 0.071, False),
        (TEST, 0.041, True), (TEST, 0.039, False), (TEST, 0.061, False),
        (FAMILY, 0.001, True), (FAMILY, 0.051, False),
    ],
)  # fmt: skip
def test_a_promise_has_bounds(kind: str, wrong: float, held: bool) -> None:
    assert holds(kind, wrong) == held


class TestTheSimulationIsOfWhatIsPrinted:
    """All samples at once as the project's own functions one by one."""

    @pytest.mark.parametrize("case", [*simulation.SAMPLES])
    @pytest.mark.parametrize("n", [2, 5])
    def test_intervals_and_p_values(self, case: str, n: int) -> None:
        rng = np.random.default_rng(0)
        values, other = 0.5 + 0.01 * rng.normal(size=(2, 20, n))
        other = values - 0.01 * simulation.SAMPLES[case]((20, n), rng)
        largest = np.maximum(np.abs(values), np.abs(other)).max(axis=1)
        mean, half = simulation.t_interval(values - other, largest)
        p = simulation.t_test(values - other, largest)
        for i in range(20):
            own = paired_difference(values[i], other[i])
            np.testing.assert_allclose(
                [own.interval.mean, own.interval.half_width, own.p_value],
                [mean[i], half[i], p[i]], rtol=1e-9, atol=1e-15,
            )  # fmt: skip
            alone = mean_interval(other[i])
            _, wide = simulation.t_interval(other[i : i + 1], np.abs(other[i : i + 1]).max(axis=1))
            np.testing.assert_allclose(alone.half_width, wide[0], rtol=1e-9)

    def test_holm(self) -> None:
        p = np.random.default_rng(0).random((50, 6)) ** 3
        p[::3, 2] = np.nan
        for own, adjusted in zip(p, simulation.holm_adjusted(p), strict=True):
            np.testing.assert_allclose(holm(own), adjusted)

    @pytest.mark.parametrize("case", ["normal", "ties"])
    def test_ranks(self, case: str) -> None:
        scores = simulation.SAMPLES[case]((20, 8, 5), np.random.default_rng(3))
        scores[:10, :, 0] += 2  # so that some pairs are told apart
        ranks = stats.rankdata(scores, axis=2)
        p, apart = simulation.friedman_p(ranks), simulation.nemenyi_separates(ranks)
        for i in range(20):
            assert p[i] == pytest.approx(stats.friedmanchisquare(*scores[i].T).pvalue)
            pairs = posthoc_nemenyi_friedman(scores[i]).to_numpy()
            assert apart[i] == (pairs < simulation.LEVEL).any()
        assert 0 < apart.sum() < 20


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)


def called(tree: ast.AST) -> Iterator[str]:
    """Every name from elsewhere that a file uses, in full."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {own.asname or own.name: own.name for own in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found = {own.asname or own.name: f"{node.module}.{own.name}" for own in node.names}
            names |= found
            yield from found.values()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            parent = ast.unparse(node.value)
            yield f"{names.get(parent, parent)}.{node.attr}"


@pytest.fixture(scope="module")
def used() -> set[tuple[str, str]]:
    return {
        (module_of(file), name) for file in SOURCES for name in called(ast.parse(file.read_text()))
    }


def test_every_statistics_function_in_use_is_registered(used: set[tuple[str, str]]) -> None:
    of_libraries = {own for own in used if own[1].startswith(LIBRARIES)}
    assert ("mlc.reporting.statistics", "scipy.special.stdtr") in of_libraries
    known = {*REGISTERED, *NO_INFERENCE}
    unknown = {own for own in of_libraries if own[1] not in known and own[0] not in ELSEWHERE}
    assert not unknown, "simulate it in benchmarks/statistics.py, or say there why not"


def test_every_quantile_in_use_is_registered(used: set[tuple[str, str]]) -> None:
    """Bootstraps end in quantiles."""
    quantiles = ("quantile", "percentile", "nanquantile", "nanpercentile")
    found = {module for module, name in used if name.split(".")[-1] in quantiles}
    assert found <= {*RANGES, *ELSEWHERE}, "simulate its interval in benchmarks/statistics.py"


def test_what_is_registered_exists() -> None:
    for name in FUNCTIONS | set(EXACT):
        module, function = name.rsplit(".", 1)
        assert callable(getattr(import_module(module), function))
    for module in (*RANGES, *ELSEWHERE):
        import_module(module)
    own = inspect.getmembers(statistics, inspect.isfunction)
    public = {
        f"{statistics.__name__}.{name}"
        for name, function in own
        if not name.startswith("_") and function.__module__ == statistics.__name__
    }
    assert public <= FUNCTIONS
