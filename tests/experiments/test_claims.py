"""Every sentence of the pages with a number or a comparison is carried by something that exists."""

from __future__ import annotations

import re

import pytest

from experiments import claims
from experiments.claims import GENERATED, REGISTER, numbers, pages, register
from experiments.harness.claims import absent, carried
from experiments.harness.origins import origin, over
from experiments.harness.sentences import Sentence, claims_of, misplaced
from mlc.config.errors import ConfigError

PAGES = pages()
# About 20 sentences of experiments' pages have numbers beside their markers.
CARRIED = [page for page in PAGES if not page.startswith("experiments/") and page not in GENERATED]


@pytest.mark.parametrize("page", sorted({*PAGES} - {*GENERATED}))
def test_every_number_and_comparison_is_carried(page: str) -> None:
    bare = [(claim.text, claim.bare) for claim in claims_of(PAGES[page]) if not claim.is_carried]
    assert not bare


@pytest.mark.parametrize("page", CARRIED)
def test_every_number_that_code_or_rows_carry_is_named_by_its_marker(page: str) -> None:
    claims = [(claim.text, absent(claim.bare, claim.carriers)) for claim in claims_of(PAGES[page])]
    assert not [claim for claim in claims if claim[1]]


@pytest.mark.parametrize(
    ("numbers", "carriers", "expected"),
    [
        (["100", "fewer"], ["experiments/a.py: MANY = 100", "a.gain > 0"], []),
        (["200"], ["experiments/a.py: MANY = 100", "a.gain > 0"], ["200"]),
        (["95%", "1,000"], ["a.py: SHARE = 0.95", "a.py: MOST = 1_000"], []),
        (["-4", "0.0001"], ["a.py: Interval(1e-4, 4)"], []),
        (["200"], ["a.py: MANY = 100", "tests/a/test_b.py::test_c"], []),
        (["3"], [], []),
    ],
)
def test_a_number_is_named_by_a_marker(
    numbers: list[str], carriers: list[str], expected: list[str]
) -> None:
    assert absent(numbers, carriers) == expected


def test_the_register_is_up_to_date_and_nothing_in_it_does_not_hold() -> None:
    text = register(PAGES)
    assert REGISTER.read_text(encoding="utf-8") == text, "run python -m experiments.claims"
    assert "| **does not hold** |" not in text


@pytest.mark.parametrize("page", sorted({*PAGES} - {*GENERATED}))
def test_no_marker_ends_a_paragraph(page: str) -> None:
    assert not misplaced(PAGES[page])


def only(page: str) -> Sentence:
    (claim,) = claims_of(page)
    return claim


@pytest.mark.parametrize(
    "bad",
    [
        "It loses 0.043 of the Jaccard index.",
        "The lead is .03 there.",
        "Sigmoid is better than softmax.",
        "It is *2 times* as fast.",
        "Most heads [lose](page.md) by 3%.",
        "- one item with 12 labels",
        "| head | Jaccard |\n| --- | --- |\n| sigmoid | 0.5 |",
        "It has <!--=league.gain-->+0.1<!--/--> more.",
        "Carried.<!--: definition --> It has 3 labels.",
        "In <!-- a comment --> 7 of them.",
        "The gain is behind -0.016 ±0.002.",
        "Pairwise heads are superior.",
        "It wins on all tables.",
        "It doubles the score.",
        "It fails on ½ of the tables.",
        "Sigmoid has the best scores of all heads.",
        "Sigmoid shows the highest scores.",
        "It is 5x as fast.",
        "It takes 20ms.",
        "A rate of 1e-3 suffices.",
        "It has 10k rows.",
        "Softmax led on all tables.",
        "Pairwise outperformed sigmoid.",
        "It lost on birds.",
        "Sigmoid dominates softmax.",
        "It is preferable to softmax.",
        "There p < 0.05 and q > p.",
        "It is three times as fast.",
        "It loses on half of the tables.",
        "Two thirds of the gain remain.",
        "One softmax stays below sigmoids.",
        "It is on a par with them.",
    ],
)
def test_what_nothing_carries_is_found(bad: str) -> None:
    assert not only(bad).is_carried
    assert only(bad).bare


@pytest.mark.parametrize(
    "unread",
    [
        "## 3 better heads",
        "No number is here.",
        "The option `n=3` and $`2^K \\le 5`$ are code.",
        "```sh\nrun 5\n```",
        "See [the page](v2/page3.md) and ![5 heads](x2.png).",
        "<!-- begin table -->\n\n| a |\n| --- |\n| 5 |\n\n<!-- end table -->",
        "1. the first item",
        "**7. Statements have numbers,** as statement 7 and statements 1, 4 and 5.",
        "F1, float32, 2^K and tmc2007-500 are names; 2026-11-22 is a date.",
        "It needs at least one label and the best epoch.",
        "The index less that of sigmoid is a difference.",
    ],
)
def test_what_is_no_claim_is_not_read(unread: str) -> None:
    assert claims_of(unread) == []


def test_a_quoted_number_carries_itself_alone() -> None:
    claim = only("It has <!--=a.gain-->+0.1 ±0.2<!--/--> of it.")
    assert (claim.quoted, claim.bare, claim.is_carried) == ((("a.gain", "+0.1 ±0.2"),), (), True)
    assert claim.text == "It has +0.1 ±0.2 of it."


def test_a_marker_carries_its_sentence_or_the_block_below_it() -> None:
    first, second = claims_of(
        "One has 1.<!--: definition --> The next has 2 <!--: source: A\n2001 -->."
    )
    assert (first.carriers, second.carriers) == (("definition",), ("source: A 2001",))
    table = "| a | b |\n| --- | --- |\n| A. 1 | 2. The<!--: definition --> |\n| 3 | c |"
    assert [claim.carriers for claim in claims_of(table)] == [("definition",), ()]
    block = "<!--: definition; source: B -->\n- 1 a\n- 2 b\n\nThree is 3."
    assert [claim.carriers for claim in claims_of(block)] == [("definition", "source: B")] * 2 + [
        ()
    ]


def test_a_comment_that_would_end_a_paragraph_is_found() -> None:
    assert misplaced("text\n<!--=a.b-->1<!--/--> text") == ["<!--=a.b-->1<!--/--> text"]
    assert misplaced("text.<!--: a.b\n> 0 --> text") == ["> 0"]
    assert misplaced("## title\n<!--: definition -->\n- 1") == []


NUMBERS = {
    "a.gain": "+0.10 ±0.04",
    "a.list": "x +0.1 ±0.2, y -0.3 ±0.1 (0.5)",
    "a.count": "5 of 11",
    "a.open": "+0.10 ±nan",
    "a.name": "global",
    "a.names": "x global, y mode",
}


@pytest.mark.parametrize(
    ("carrier", "verdict"),
    [
        ("a.gain > 0", "holds"),
        ("a.gain > 0.08", "does not hold"),  # 0.08 lies in the interval
        ("a.gain includes 0.08", "holds"),
        ("a.gain excludes 0.08", "does not hold"),
        ("a.list < 0", "does not hold"),
        ("a.list[y] < 0", "holds"),
        ("a.list[y] < a.gain", "holds"),
        ("a.gain = 0.1", "holds"),
        ("a.gain = 0.11", "does not hold"),
        ("a.count >= 5", "holds"),
        ("a.name is global", "holds"),
        ("a.names[y] is mode", "holds"),
        ("a.names[y] is global", "does not hold"),
        ("a.count > 5", "does not hold"),
        ("mlc/reporting/statistics.py: CONFIDENCE = 0.95", "holds"),
        ("mlc/reporting/statistics.py: CONFIDENCE = 0.99", "does not hold"),
        ("mlc/reporting/statistics.py: CONFIDENCE = 0.9", "does not hold"),
        ("mlc/reporting/statistics.py: CONFIDENCE = 0", "does not hold"),
        ("mlc/reporting/statistics.py: FIDENCE = 0.95", "does not hold"),
        ("prediction", "predicted"),
        ("source: Holm 1979", "by source"),
        ("tests/experiments/test_claims.py::test_a_carrier_shows_whether_it_holds", "by test"),
    ],
)
def test_a_carrier_shows_whether_it_holds(carrier: str, verdict: str) -> None:
    assert carried(carrier, NUMBERS).verdict == verdict


def test_a_cell_is_read_from_its_stored_table() -> None:
    cell = "results/benchmarks/defaults_vs_linear.csv[data=goemotions, model=sigmoid]"
    lead = f"{cell} linear_svm_difference ± linear_svm_half_width"
    assert carried(f"{lead} < 0", {}).verdict == "holds"
    assert carried(f"{lead} = -0.021", {}).verdict == "holds"
    assert carried(f"{lead} < -0.02", {}).verdict == "does not hold"
    # Of a whole column, every cell.
    rows = "results/benchmarks/many_labels.csv[labels=30000] gigabytes"
    verdicts = [carried(f"{rows} < {limit}", {}).verdict for limit in (8, 3.6)]
    assert verdicts == ["holds", "does not hold"]


@pytest.mark.parametrize(
    "wrong",
    [
        "tests/experiments/test_claims.py::test_that_is_not_there",
        "tests/experiments/test_absent.py::test_x",
        "b.gain > 0",
        "a.list[z] > 0",
        "results/benchmarks/defaults_vs_linear.csv[data=absent] seconds > 0",
        "mlc/absent.py: X = 1",
        "a.open > 0",
        "because it is so",
    ],
)
def test_a_marker_that_names_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=re.escape("A claim marker") + "|The claim marker"):
        carried(wrong, NUMBERS)


def test_every_number_is_named_by_a_function_of_its_experiment() -> None:
    assert "league.n_data" in numbers(PAGES)
    assert origin("league.n_data") == "experiments/league/analysis.py:_find"
    assert origin("league.gain_pairwise_bibtex") == "experiments/league/claims.py:single_gains"
    with pytest.raises(ConfigError, match="names the number"):
        origin("league.absent")


def test_a_wrong_marker_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(claims, "pages", lambda: {"README.md": "It is 1.<!--: so it is -->"})
    assert claims.main() == 1
    assert capsys.readouterr().err.startswith("experiments.claims: The claim marker 'so it is' has")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("equal_budgets.ahead_gains_subset_accuracy", "data sets"),
        ("equal_budgets.pooled_pick_one", "data sets"),
        ("equal_budgets.own_options_change_f1_macro", "data sets"),
        ("equal_budgets.last_change_jaccard_samples", "data sets"),
        ("equal_budgets.ahead_by_data_f1_macro", "seeds and test rows"),
        ("equal_budgets.joint_exact_ahead", "seeds and test rows"),
        ("equal_budgets.gain_pick_one_birds", "seeds and test rows"),
        ("league.pick_one_clear", "seeds"),
    ],
)
def test_the_register_says_over_what_an_interval_is(name: str, what: str) -> None:
    assert over(name, "+0.1 ±0.2") == what
    assert over(name, "3 of 4") == ""
