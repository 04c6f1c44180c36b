"""The two measurements of a powerset's step name each other's ratio."""

from __future__ import annotations

import re

from benchmarks.powerset import BATCH as BENCHMARK_BATCH
from experiments.harness.experiment import ROOT
from experiments.harness.report import quoted
from experiments.harness.running import RESULTS
from experiments.powerset_feasibility.layer import BATCH


def test_both_ratios_at_14_labels_stand_in_both_places_with_their_batches() -> None:
    readme = (ROOT / "powerset_feasibility" / "README.md").read_text()
    benchmark = (RESULTS / "benchmarks" / "powerset.md").read_text()
    here = quoted(readme)["k14"]
    (row,) = re.findall(r"^\| +14 \|(?:[^|]*\|){4} +(\d+) \|", benchmark, flags=re.MULTILINE)
    assert f"reports {row} times" in " ".join(readme.split())
    assert f"a ratio of {here} for batch {BATCH}" in benchmark
    assert f"batch {BENCHMARK_BATCH}," in benchmark
    assert f"the benchmark has a batch of {BENCHMARK_BATCH}," in " ".join(readme.split())
    assert f"This page has a batch of {BATCH} " in " ".join(readme.split())
