"""What the README shows is what the commands print and what results/compare holds."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlc.data.__main__ import main as mlc_data
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


def write_posts(path: Path) -> None:
    """1,500 invented posts, whose tags stand in one column."""
    rng = np.random.default_rng(0)
    words = [
        "rain",
        "wind",
        "sun",
        "snow",
        "hill",
        "road",
        "river",
        "town",
        "night",
        "morning",
        "cold",
        "warm",
        "long",
        "quiet",
    ]
    tags = ["weather", "travel", "photo", "help wanted", "off topic"]
    lines = ["body,tags"]
    for _ in range(1500):
        body = " ".join(rng.choice(words, 12))
        chosen = [
            tag
            for tag, p in zip(tags, (0.5, 0.3, 0.25, 0.1, 0.05), strict=True)
            if rng.random() < p
        ]
        lines.append(f"{body},{'|'.join(chosen)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def card(*arguments: str) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        mlc_data(list(arguments))
    return said.getvalue()


def test_the_card_of_a_text_table_is_that_of_the_command(tmp_path: Path) -> None:
    write_posts(tmp_path / "posts.csv")
    assert card(str(tmp_path / "posts.csv"), "--labels", "tags", "--text", "body") in README


def test_the_card_of_the_digits_is_that_of_the_command() -> None:
    assert card("digits") in README


@pytest.mark.parametrize("name", ["yeast", "bibtex"])
def test_the_cards_of_benchmarks_are_those_of_the_command(name: str, benchmarks: Path) -> None:
    assert card(name) in README
