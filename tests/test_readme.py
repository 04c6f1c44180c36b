"""What README.md and docs show is what the commands print and what results/compare holds."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mlc
from mlc.data.__main__ import main as mlc_data
from mlc.reporting.statistics import paired_difference

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SWEEPS = (ROOT / "docs/sweeps.md").read_text(encoding="utf-8")
DATA = (ROOT / "docs/data.md").read_text(encoding="utf-8")


def test_the_front_page_is_short() -> None:
    assert len(re.sub(r"<!--.*?-->", "", README, flags=re.DOTALL).split()) < 1200


def test_the_version_is_set_in_one_place() -> None:
    assert f"version: {mlc.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    released = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d.*?)\]", released, re.MULTILINE)[0] == mlc.__version__
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_network_of_the_front_page_trains_and_decides() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    script = next(block for block in blocks if "build_head" in block)
    rng = torch.Generator().manual_seed(0)
    X = torch.randn(60, 8, generator=rng)
    y = (X[:, :3] > 0).float()
    names = {"X": X, "y": y, "X_val": X, "y_val": y, "X_new": X[:5]}
    torch.manual_seed(0)
    exec(compile(script, "README.md", "exec"), names)
    assert torch.equal(names["label_sets"], y[:5].bool())


def test_the_table_of_the_main_job_is_that_of_its_results() -> None:
    summary = (ROOT / "results/compare/summary.md").read_text(encoding="utf-8")
    table = summary[summary.index("| head") :].split("\n\n")[0]
    assert table in SWEEPS


def test_the_sentences_below_it_state_its_numbers() -> None:
    rows = pd.read_csv(ROOT / "results/compare/results.csv")
    tuned = rows[rows["rule"] == "global"].pivot(
        index="seed", columns="head", values="jaccard_samples"
    )

    def difference(head: str, sign: int) -> str:
        found = paired_difference(tuned[head], tuned["sigmoid"]).interval
        return f"{sign * found.mean:.3f} ± {found.half_width:.3f}"

    said = re.sub(r"\s+", " ", SWEEPS)
    assert f"the difference is {difference('powerset', 1)}, over seeds" in said
    assert f"one softmax with a threshold loses {difference('pick_one', -1)}" in said
    least, most = tuned["pick_one"].min(), tuned["pick_one"].max()
    assert f"({least:.2f} to {most:.2f} between seeds" in said
    exact = rows.groupby(["head", "rule"])["subset_accuracy"].mean()
    assert exact.idxmax() == ("powerset", "mode")


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
    assert card(str(tmp_path / "posts.csv"), "--labels", "tags", "--text", "body") in DATA


def test_the_card_of_the_digits_is_that_of_the_command() -> None:
    assert card("digits") in DATA


@pytest.mark.parametrize("name", ["yeast", "bibtex"])
def test_the_cards_of_benchmarks_are_those_of_the_command(name: str, benchmarks: Path) -> None:
    assert card(name) in DATA


def test_pairs_do_not_suffice_where_the_dependence_changes_with_the_input() -> None:
    """In the tree, and half as much in the mixture: regrets less that of sigmoid, with intervals."""
    table = (ROOT / "results/powerset_samples/structures.md").read_text(encoding="utf-8")
    lines = [re.split(r"\s*\|\s*", line.strip("| ")) for line in table.splitlines() if "|" in line]
    gains = {
        (structure, metric, head): [tuple(map(float, cell.split(" ±"))) for cell in cells]
        for structure, metric, head, *cells in lines
        if structure in ("tree", "mixture") and head != "sigmoid"
    }
    for head in ("label_powerset", "powerset", "bernoulli_mixture"):
        exact = gains["tree", "subset accuracy", head]
        assert all(mean + half < 0 for mean, half in exact), "with every number of rows"
        assert -exact[-1][0] == pytest.approx(0.07, abs=0.005)
        jaccard = gains["tree", "Jaccard", head]
        assert all(mean + half < 0 for mean, half in jaccard[1:]), "with 4,000 rows and more"
        # The tolerance with which a head is as good as the best one.
        assert all(-mean > 0.005 for mean, _ in jaccard)
        (mean, half), (of_tree, _) = gains["mixture", "subset accuracy", head][-1], exact[-1]
        assert mean + half < 0
        assert of_tree < 2 * mean, "smaller gains in the mixture"
    for head in ("pairwise", "chain"):
        mean, half = gains["tree", "subset accuracy", head][-1]
        assert -0.01 < mean < 0 < mean + half, "not beyond the interval"
        of_pairs, half = gains["mixture", "subset accuracy", head][-1]
        assert of_pairs + half < 0
        most = gains["mixture", "subset accuracy", "bernoulli_mixture"][-1][0]
        assert 0.3 < of_pairs / most < 0.6


def test_the_share_of_birds_without_a_label_is_that_of_its_card(benchmarks: Path) -> None:
    share = re.search(r"([\d.]+)% of the\s+rows\s+have\s+none", card("birds"))
    assert share is not None
    assert f"birds, where {float(share[1]):.0f}% of the rows have none" in README


def test_the_lead_of_the_linear_model_on_texts_is_that_of_its_rows() -> None:
    rows = pd.read_csv(ROOT / "results/benchmarks/defaults_vs_linear.csv").set_index(
        ["data", "model"]
    )
    row = rows.loc[("goemotions", "sigmoid")]
    lead, half = -row["linear_svm_difference"], row["linear_svm_half_width"]
    assert f"[{lead:.3f} ±{half:.3f}](results/benchmarks/defaults_vs_linear.md)" in README


def test_the_front_page_is_three_sentences_and_six_rows_of_one_number() -> None:
    shown = re.sub(r"<!--.*?-->", "", README, flags=re.DOTALL)
    items = re.findall(r"^\d\. (.*?)(?=^\d\. |\n\n)", shown, re.DOTALL | re.MULTILINE)
    assert len(items) == 3
    assert [len(re.findall(r"[.!?](?:\s|$)", item)) for item in items] == [1] * 3
    rows = [row.split("|")[1:-1] for row in README.splitlines() if row.startswith("| ")][2:8]
    assert [row[2].count("<!--=") for row in rows] == [1] * 6
    assert not any("<!--=" in cell for row in rows for cell in (row[0], row[1], row[3]))
