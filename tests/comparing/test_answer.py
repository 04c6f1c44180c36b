"""The answer of searches whose results are written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlc.comparing.answer import AHEAD, BEHIND, EQUAL, OPEN, Answer, find_answer
from mlc.comparing.candidates import candidates
from mlc.comparing.linear import Baseline
from mlc.comparing.rivals import Rivals
from mlc.comparing.sentences import sentences
from mlc.comparing.words import as_text, notes, other_rules, table
from mlc.config.errors import RunFolderError
from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.reporting.collect import collect
from mlc.reporting.tables import WIDTH
from mlc.search.files import Group, Record, write_record
from tests.comparing.sweeps import METRIC, targets_of, with_errors, write_run, write_search


def answer_of(
    folder: Path, metric: str = METRIC, margin: float = 0.01, rivals: Rivals | None = None
) -> Answer:
    return find_answer(collect(folder), folder, metric, margin, rivals=rivals)


def test_the_best_on_validation_rows_is_chosen_whatever_the_test_rows_say(tmp_path: Path) -> None:
    write_search(
        tmp_path,
        errors={"sigmoid": 0.2, "pairwise": 0.3, "zlpr": 0.05},
        validation={"sigmoid": 0.5, "pairwise": 0.7, "zlpr": 0.6},
    )
    answer = answer_of(tmp_path)
    assert answer.chosen.head == "pairwise"
    assert not answer.leads
    assert answer.verdict("zlpr") == AHEAD
    assert "pairwise trails sigmoid" in sentences(answer)[1]
    # By test rows the table is sorted, and > marks what was chosen.
    assert [row[0] for row in table(answer).rows] == [
        "zlpr", "sigmoid", ">pairwise"
    ]  # fmt: skip


def test_a_lead_beyond_chance_is_claimed_with_its_interval(tmp_path: Path) -> None:
    write_search(
        tmp_path,
        errors={"sigmoid": 0.3, "pairwise": 0.1, "zlpr": 0.5},
        validation={"sigmoid": 0.5, "pairwise": 0.7, "zlpr": 0.4},
    )
    answer = answer_of(tmp_path)
    lead = answer.differences["pairwise"]
    tests = {head: rows[0].test for head, rows in answer.heads.items()}
    assert answer.leads
    assert lead.mean == pytest.approx(tests["pairwise"] - tests["sigmoid"])
    assert f"[{lead.low:+.3f}, {lead.high:+.3f}]" in sentences(answer)[1]
    assert answer.verdict("zlpr") == BEHIND
    assert answer.seconds["pairwise"] == pytest.approx(1.5)


def test_a_lead_of_a_fifth_of_the_margin_is_not_worth_another_head(tmp_path: Path) -> None:
    errors = {"sigmoid": 0.2, "pairwise": 0.2}
    write_search(tmp_path / "a", errors, {"sigmoid": 0.5, "pairwise": 0.5019})
    answer = answer_of(tmp_path / "a")
    assert answer.chosen.head == "sigmoid"
    assert (
        "no other head leads it by more than 0.002, a fifth of the margin (the best is pairwise"
        in sentences(answer)[0]
    )
    assert answer_of(tmp_path / "a", margin=0.001).chosen.head == "pairwise"
    write_search(tmp_path / "b", errors, {"sigmoid": 0.5, "pairwise": 0.503})
    assert answer_of(tmp_path / "b").chosen.head == "pairwise"


def test_heads_are_equal_only_where_the_interval_lies_within_the_margin(tmp_path: Path) -> None:
    validation = {"sigmoid": 0.5, "pairwise": 0.5}
    write_search(tmp_path, {"sigmoid": 0.2, "pairwise": 0.2}, validation)
    half = answer_of(tmp_path).from_chosen["pairwise"].half_width
    assert half > 0.01
    assert answer_of(tmp_path).verdict("pairwise") == OPEN
    assert answer_of(tmp_path, margin=0.1).verdict("pairwise") == EQUAL


def test_a_loss_is_turned_so_that_more_is_better(tmp_path: Path) -> None:
    write_search(
        tmp_path,
        errors={"sigmoid": 0.3, "pairwise": 0.1},
        validation={"sigmoid": 0.3, "pairwise": 0.1},
    )
    answer = answer_of(tmp_path, "hamming_loss")
    assert answer.chosen.head == "pairwise"
    assert answer.leads
    assert answer.differences["pairwise"].mean == pytest.approx(0.2, abs=0.03)
    assert table(answer).rows[0][0] == ">pairwise"
    turned = "its sign turned so that more is better"
    assert any(turned in note for note in notes(answer))
    assert not any(turned in note for note in notes(answer_of(tmp_path, METRIC)))


def test_rules_and_trials_are_chosen_by_validation_rows(tmp_path: Path) -> None:
    rng, targets, rows = np.random.default_rng(0), targets_of(50), np.arange(50)
    for seed in range(2):
        for trial, (by_fixed, by_mode) in enumerate([(0.4, 0.5), (0.6, 0.3)]):
            write_run(
                tmp_path,
                "sigmoid",
                seed,
                {name: with_errors(targets, 0.3, rng) for name in ("fixed", "mode")},
                targets,
                rows,
                {"fixed": by_fixed, "mode": by_mode},
                trial,
            )
    (found,) = candidates(collect(tmp_path), METRIC).values()
    assert [(own.rule, own.trial, own.validation) for own in found] == [
        ("fixed", 1, 0.6),
        ("mode", 0, 0.5),
    ]
    answer = answer_of(tmp_path)
    others = other_rules(answer)
    assert others is not None
    assert [row[:2] for row in others.rows] == [["sigmoid", "mode"]]


def write_record_of(folder: Path, key: str, values: list[str]) -> None:
    """The record of a search of sigmoids with each of these values."""
    groups = [Group("toy", "sigmoid", {key: value}, {}, {}) for value in values]
    write_record(folder, Record(0, "random", METRIC, 1, groups, [0, 1]))


def test_settings_beside_the_head_are_chosen_and_never_mixed(tmp_path: Path) -> None:
    """Of each rule the setting with the best validation values, in any order of the runs' names."""
    rng, targets, rows = np.random.default_rng(0), targets_of(50), np.arange(50)
    validation = {
        "adamw": {"fixed": 0.4, "mode": 0.5},
        "lbfgs": {"fixed": 0.6, "mode": 0.2},
        "sgd": {"fixed": 0.3, "mode": 0.1},
    }
    for seed in range(2):
        for name, values in validation.items():
            decisions = {rule: with_errors(targets, 0.3, rng) for rule in values}
            write_run(tmp_path, "sigmoid", seed, decisions, targets, rows, values, optimizer=name)
    write_record_of(tmp_path, "optimizer", list(validation))
    results = collect(tmp_path)
    answer = find_answer(results, tmp_path, METRIC)
    found = answer.heads["sigmoid"]
    assert [(own.rule, own.settings["optimizer"]) for own in found] == [
        ("fixed", "lbfgs"),
        ("mode", "adamw"),
    ]
    assert [own.validation for own in found] == pytest.approx([0.6, 0.5])
    for own in found:
        of = results.runs[results.runs["run"].isin(own.runs.values())]
        assert own.test == pytest.approx(of[of["rule"] == own.rule][METRIC].mean())
        assert len(own.runs) == 2


def test_a_search_continued_with_another_setting_keeps_the_runs_without_it(tmp_path: Path) -> None:
    rng, targets, rows = np.random.default_rng(0), targets_of(50), np.arange(50)
    launches: list[tuple[dict[str, str], float]] = [({}, 0.6), ({"optimizer": "sgd"}, 0.4)]
    for own, value in launches:
        decisions = {"fixed": with_errors(targets, 0.3, rng)}
        write_run(tmp_path, "sigmoid", 0, decisions, targets, rows, {"fixed": value}, **own)
    groups = [Group("toy", "sigmoid", own, {}, {}) for own, _ in launches]
    write_record(tmp_path, Record(0, "random", METRIC, 1, groups, [0]))
    (found,) = answer_of(tmp_path).heads["sigmoid"]
    assert found.validation == pytest.approx(0.6)
    assert "optimizer" not in found.settings


def test_one_answer_is_for_one_form_of_the_data(tmp_path: Path) -> None:
    write_search(tmp_path, {"sigmoid": 0.2}, {"sigmoid": 0.5})
    write_record_of(tmp_path, "data.min_df", ["1", "2"])
    with pytest.raises(
        RunFolderError, match=r"has several values of data\.min_df: an answer is for"
    ):
        answer_of(tmp_path)


def test_missing_labels_have_no_answer(tmp_path: Path) -> None:
    write_search(tmp_path, {"sigmoid": 0.2}, {"sigmoid": 0.5})
    for path in tmp_path.rglob("predictions.npz"):
        stored = dict(np.load(path))
        np.savez(path, **stored, known=stored["targets"])
    with pytest.raises(RunFolderError, match="trained with missing labels, and an answer judges"):
        answer_of(tmp_path)


def test_test_rows_of_their_own_are_noticed(tmp_path: Path) -> None:
    validation = {"sigmoid": 0.5, "pairwise": 0.6}
    write_search(tmp_path, {"sigmoid": 0.3, "pairwise": 0.1}, validation, redrawn=True)
    answer = answer_of(tmp_path)
    assert answer.draws_test_rows
    assert "mean of 3 divisions of the rows" in sentences(answer)[0]
    said = " ".join(notes(answer))
    assert "lead tends to be a little too large" in said
    assert "choose nothing" not in said
    write_search(tmp_path / "fixed", {"sigmoid": 0.3, "pairwise": 0.1}, validation)
    said = " ".join(notes(answer_of(tmp_path / "fixed")))
    assert "a little too large" not in said
    assert "test rows choose nothing" in said


def test_all_values_are_of_the_seeds_that_every_head_has(tmp_path: Path) -> None:
    """Without the good third seed of sigmoid, pairwise is the better one."""
    validation = {"sigmoid": [0.5, 0.5, 0.9], "pairwise": [0.6, 0.6, 0.6]}
    write_search(tmp_path, {"sigmoid": 0.3, "pairwise": 0.1}, validation)
    assert answer_of(tmp_path).chosen.head == "sigmoid"
    (tmp_path / "toy/pairwise/seed=2,trial=0/status.json").unlink()
    rival = rival_of(tmp_path, {0: 0.2, 1: 0.4, 2: 0.9}, errors=0.2)
    answer = answer_of(tmp_path, rivals=rival)
    assert answer.chosen.head == "pairwise"
    assert answer.n_splits == 2
    assert answer.missing == {2: ["pairwise"]}
    for rows in answer.heads.values():
        assert set(rows[0].values) == {0, 1}
        of_seeds = [json.loads(metrics(tmp_path, rows[0].head, seed)) for seed in (0, 1)]
        if of_seeds[0]:
            expected = np.mean([each[f"test/global/{METRIC}"] for each in of_seeds])
            assert rows[0].test == pytest.approx(expected)
    assert answer.heads["linear_svm"][0].validation == pytest.approx(0.3)
    assert any(
        "left out, with the heads that lack them: seed 2 (pairwise)" in n for n in notes(answer)
    )


def metrics(folder: Path, head: str, seed: int) -> str:
    """The metrics of a run as they are stored; an empty object of what is no run."""
    path = folder / f"toy/{head}/seed={seed},trial=0/metrics.json"
    return path.read_text() if path.is_file() else "{}"


def rival_of(folder: Path, validation: dict[int, float], errors: float) -> Rivals:
    """A linear model that errs so often on the test rows of the search in the folder."""
    rng = np.random.default_rng(2)
    splits, decisions = {}, {}
    targets = targets_of(1200)
    for seed in validation:
        stored = np.load(folder / f"toy/sigmoid/seed={seed},trial=0/split.npz")
        splits[seed] = Split(stored["train"], stored["val"], stored["test"])
        decisions[seed] = with_errors(targets[stored["test"]], errors, rng)
    linear = Baseline("linear_svm", 0.3, 1.0, {"global": validation}, {}, {"global": decisions}, {})
    dataset = Dataset(
        "toy", np.zeros((1200, 1)), targets, ("x",), ("a", "b", "c"), np.ones(1, dtype=bool)
    )
    return Rivals([linear], dataset, splits)


@pytest.mark.parametrize(("errors", "word"), [(0.05, "leads"), (0.35, "trails")])
def test_the_answer_begins_with_a_linear_model_only_where_it_leads(
    tmp_path: Path, errors: float, word: str
) -> None:
    write_search(tmp_path, {"sigmoid": 0.3, "pairwise": 0.15}, {"sigmoid": 0.5, "pairwise": 0.6})
    rivals = rival_of(tmp_path, dict.fromkeys(range(3), 0.7), errors)
    answer = answer_of(tmp_path, rivals=rivals)
    if word == "leads":
        beside, use, lead, _ = sentences(answer)
        start, name = "Of the heads, use", "Use a linear model, no head: a linear SVM"
    else:
        use, lead, beside, _ = sentences(answer)
        start, name = "Use the head", "A linear SVM"
    assert use.startswith(f"{start} pairwise, decided by the rule global")
    assert lead.startswith("pairwise leads sigmoid")
    gap = answer.from_chosen["linear_svm"]
    assert beside.startswith(
        f"{name} for each label (linear_svm, C=0.3), with the rule global,"
        f" {word} pairwise by {gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] on the test rows"
    )
    in_mlc = " mlc trains it as backbone=linear head=squared_hinge."
    assert beside.endswith(in_mlc) == (word == "leads")
    # Whatever the test rows say, the validation rows' word is passed on.
    assert "on validation rows, too, no head leads it by more than 0.002, a fifth of" in beside
    # Validation values are compared with those of test rows, for heads and for linear models.
    of_linear = 0.7 - answer.heads["linear_svm"][0].test
    of_heads = np.mean([0.5, 0.6]) - np.mean(
        [answer.heads[head][0].test for head in ("sigmoid", "pairwise")]
    )
    expected = f"heads {of_heads:+.3f}, linear models {of_linear:+.3f}"
    assert any(expected in note for note in notes(answer))


@pytest.mark.parametrize(
    ("of_linear", "word"), [(-0.05, "larger"), (0.05, "smaller"), (0.0, "equal")]
)
def test_the_note_on_validation_values_says_which_are_better_beside_test_values(
    tmp_path: Path, of_linear: float, word: str
) -> None:
    write_search(tmp_path, {"sigmoid": 0.3}, {"sigmoid": 0.5})
    answer = answer_of(tmp_path, rivals=rival_of(tmp_path, dict.fromkeys(range(3), 0.5), 0.3))
    tests = {name: rows[0].test for name, rows in answer.heads.items()}
    rivals = rival_of(
        tmp_path,
        dict.fromkeys(range(3), 0.5 - tests["sigmoid"] + tests["linear_svm"] + of_linear),
        0.3,
    )
    said = " ".join(notes(answer_of(tmp_path, rivals=rivals)))
    assert f"is {word} for heads" in said
    assert ("too good" in said) == (word == "larger")


def test_what_cannot_be_answered_is_said_in_a_sentence(tmp_path: Path) -> None:
    write_search(tmp_path / "a", {"pairwise": 0.1}, {"pairwise": 0.5})
    with pytest.raises(RunFolderError, match="No run of the head 'sigmoid'"):
        answer_of(tmp_path / "a")
    write_search(tmp_path / "b", {"sigmoid": 0.1, "zlpr": 0.1}, {"sigmoid": 0.5, "zlpr": 0.5})
    path = tmp_path / "b/toy/zlpr/seed=1,trial=0/split.npz"
    np.savez(path, train=np.arange(3), val=np.arange(3), test=np.arange(1, 301))
    with pytest.raises(RunFolderError, match="other test rows"):
        answer_of(tmp_path / "b")


def test_the_text_is_as_wide_as_a_terminal_and_the_json_holds_no_nan(tmp_path: Path) -> None:
    heads = ["sigmoid", "distribution_cardinality", "bernoulli_mixture", "label_powerset"]
    write_search(tmp_path, dict.fromkeys(heads, 0.2), dict.fromkeys(heads, 0.5))
    answer = answer_of(tmp_path)
    assert max(map(len, as_text(answer, 100).splitlines())) <= WIDTH
    json.dumps(answer.as_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("margin", "said"),
    [
        (0.5, "within 0.5: sigmoid is as good, which is simpler"),
        (0.001, "which may be chance: these rows do not tell it from sigmoid, which is simpler"),
    ],
)
def test_what_the_rows_do_not_tell_apart_is_not_called_equal(
    tmp_path: Path, margin: float, said: str
) -> None:
    write_search(
        tmp_path,
        errors={"sigmoid": 0.2, "pairwise": 0.21},
        validation={"sigmoid": 0.1, "pairwise": 0.9},
    )
    answer = answer_of(tmp_path, margin=margin)
    assert answer.chosen.head == "pairwise"
    assert said in sentences(answer)[1]


def test_an_interval_as_wide_as_the_metric_is_none(tmp_path: Path) -> None:
    """Two splits of a few rows tell nothing, which numbers such as ±4.1 would hide."""
    heads = {"sigmoid": 0.5, "pairwise": 0.3}
    write_search(tmp_path, heads, {"sigmoid": 0.5, "pairwise": 0.7}, 4, 2, redrawn=True)
    answer = answer_of(tmp_path)
    assert np.isnan(answer.differences["pairwise"].half_width)
    assert answer.verdict("sigmoid") == OPEN
    assert not answer.leads
    text = as_text(answer)
    assert (
        "(too few splits or test rows for an interval): whether by chance is not known"
        in " ".join(text.split())
    )
    assert "±?" in text
    assert any(note.startswith("±?: no interval") for note in notes(answer))


def test_equal_heads_differ_by_zero_without_a_sign(tmp_path: Path) -> None:
    heads = dict.fromkeys(["sigmoid", "pairwise"], 0.0)
    write_search(tmp_path, heads, {"sigmoid": 0.5, "pairwise": 0.7})
    for metric in (METRIC, "hamming_loss"):
        answer = answer_of(tmp_path, metric)
        text = " ".join(as_text(answer).split())
        assert "0.000 (equal in every row)" in text
        assert "+0.000" not in text
        assert "-0.000" not in text
