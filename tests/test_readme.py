"""What the README shows of the main job is what results/compare holds."""

import re
from pathlib import Path

import pandas as pd

from mlc.reporting.statistics import paired_difference

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_the_main_job_is_that_of_its_results() -> None:
    summary = (ROOT / "results/compare/summary.md").read_text(encoding="utf-8")
    table = summary[summary.index("| head") :].split("\n\n")[0]
    assert table in README


def test_the_sentences_below_it_state_its_numbers() -> None:
    rows = pd.read_csv(ROOT / "results/compare/results.csv")
    tuned = rows[rows["rule"] == "global"].pivot(
        index="seed", columns="head", values="jaccard_samples"
    )

    def difference(head: str, sign: int) -> str:
        found = paired_difference(tuned[head], tuned["sigmoid"]).interval
        return f"{sign * found.mean:.3f} ± {found.half_width:.3f}"

    said = re.sub(r"\s+", " ", README)
    assert f"the difference is {difference('powerset', 1)}, over seeds" in said
    assert f"one softmax with a threshold loses {difference('pick_one', -1)}" in said
    least, most = tuned["pick_one"].min(), tuned["pick_one"].max()
    assert f"({least:.2f} to {most:.2f} between seeds" in said
