"""What is committed under results/ and quoted in the READMEs follows from the stored rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from itertools import combinations

import pandas as pd
import pytest

from experiments.curves import DRAWN, figures
from experiments.equal_budgets.archive import FOLDER, TARGETS, path_of, read
from experiments.equal_budgets.baselines import BASELINES
from experiments.equal_budgets.chosen import configured, tuned
from experiments.equal_budgets.findings import JOINT
from experiments.equal_budgets.studies import CONFIRM, PLANS
from experiments.harness import EXPERIMENTS, load
from experiments.harness.curves import CurvesFigure
from experiments.harness.experiment import ROOT
from experiments.harness.provenance import drawn_with
from experiments.harness.report import combine, quoted
from experiments.harness.running import RESULTS, FootedReport, build_report, overview_documents
from experiments.harness.store import Store
from experiments.harness.study import Trial, command_of
from experiments.league.studies import METRICS
from tests.conftest import REPOSITORY

MEASURED = [name for name in EXPERIMENTS if (RESULTS / name / "provenance.json").is_file()]
PARTS = (
    "Question",
    "claim under test",
    "Prediction",
    "make reproduce",
    "Verdict",
    "would change it",
)


def figures_of(name: str) -> tuple[CurvesFigure, ...]:
    return figures(name) if name in DRAWN else ()


@cache
def made_of(name: str) -> FootedReport:
    """Make a report once, since some take ten seconds; one process runs all tests of this file."""
    return build_report(load(name), RESULTS / name)


@pytest.mark.parametrize("name", MEASURED)
def test_every_table_and_figure_is_made_again_from_the_rows(name: str) -> None:
    made = made_of(name)
    files = made.report.files(made.foot)
    same_matplotlib = drawn_with(RESULTS / name) == version("matplotlib")
    for file, content in files.items():
        if file.endswith(".png") and not same_matplotlib:
            continue
        assert (RESULTS / name / file).read_bytes() == content, file
    kept = {f"{study.name}.csv" for study in load(name).studies} | {"provenance.json", FOLDER}
    present = {path.name for path in (RESULTS / name).iterdir() if ".part." not in path.name}
    curves = {file for figure in figures_of(name) for file in figure.files(name)}
    assert present <= kept | set(files) | curves


@pytest.mark.parametrize("name", MEASURED)
def test_every_number_in_a_readme_follows_from_the_rows(name: str) -> None:
    made = made_of(name)
    readme = (ROOT / name / "README.md").read_text()
    assert made.report.fill(readme, made.foot) == readme
    assert quoted(readme)
    assert made.report.findings
    for part in (*PARTS, f"EXPERIMENT={name}", "<!-- begin foot -->", "<!-- begin findings -->"):
        assert part in readme, part
    for table in made.report.tables:
        assert f"<!-- begin {table} -->" in readme
    for figure in made.report.figures:
        assert f"results/{name}/{figure}.png" in readme


def test_the_league_counts_as_many_separated_pairs_as_its_diagrams_leave_unjoined() -> None:
    report = made_of("league").report
    counts = report.numbers["separated"].split("; ")
    for count, metric in (own.split(" by ") for own in counts):
        if count == "not tested":
            assert f"ranks_{metric}" not in report.figures
            continue
        # The average ranks as the table prints them: a tenth is finer than the bars' ends.
        _, table = report.tables[metric]
        average = [float(row[1]) for row in table.rows if row[1] != "-"]
        axes = report.figures[f"ranks_{metric}"].axes[0]
        bars = [line.get_xdata() for line in axes.lines if line.get_color() == "0.75"]
        joined = sum(
            any(min(bar) - 0.06 <= min(a, b) and max(a, b) <= max(bar) + 0.06 for bar in bars)
            for a, b in combinations(average, 2)
        )
        assert int(count) == len(average) * (len(average) - 1) // 2 - joined, metric
    assert [own.split(" by ")[1] for own in counts] == list(METRICS)


def test_every_number_in_the_front_page_and_docs_follows_from_the_rows() -> None:
    report = combine({name: made_of(name).report for name in MEASURED})
    documents = overview_documents(REPOSITORY)
    assert {"README.md", "which_head.md"} <= {path.name for path in documents}
    for path in documents:
        text = path.read_text(encoding="utf-8")
        assert report.fill(text) == text, path


@pytest.mark.parametrize("name", MEASURED)
def test_the_quick_budget_alone_makes_a_report(name: str) -> None:
    assert_reported(name, {study.name: study.trials("quick") for study in load(name).studies})


@pytest.mark.parametrize("name", MEASURED)
def test_a_full_budget_that_was_interrupted_makes_a_report(name: str) -> None:
    quick, more = {}, []
    for study in load(name).studies:
        quick[study.name] = study.trials("quick")
        known = set(map(command_of, quick[study.name]))
        more += [
            (study.name, trial) for trial in study.trials("full") if command_of(trial) not in known
        ]
    for study_name, trial in more[: 3 * len(more) // 5]:
        quick[study_name].append(trial)
    assert_reported(name, quick)


def assert_reported(name: str, trials: Mapping[str, list[Trial]]) -> None:
    """A report is made from the rows of these trials, by study."""
    experiment = load(name)
    frames = {
        study.name: Store(study, RESULTS / name).frame(trials[study.name])
        for study in experiment.studies
    }
    report = experiment.report(frames)
    assert report.findings
    assert report.text()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_quick_is_a_part_of_full_and_no_trial_is_named_twice(name: str) -> None:
    for study in load(name).studies:
        quick, full = (list(map(command_of, study.trials(b))) for b in ("quick", "full"))
        assert set(quick) <= set(full)
        assert len(set(full)) == len(full)


def test_no_head_ranks_or_decides_better_in_any_bin_once_thresholds_are_tuned() -> None:
    """On the stored rows, beyond the interval; at 0.5 four heads are ahead, with few positives one."""
    report = made_of("imbalance").report
    for name in ("per_label", "ranking"):
        assert report.numbers[f"bins_clear_{name}"].startswith("ahead none; behind ")
        assert "behind none" not in report.numbers[f"bins_clear_{name}"]
    ahead, behind, n_bins = report.numbers["bins_clear_fixed"].split("; ")
    assert n_bins == "of 14 bins"
    counts = dict(part.rsplit(" ", 1) for part in ahead.removeprefix("ahead ").split(", "))
    often = {head for head, count in counts.items() if int(count) in (5, 6)}
    assert often == {"weighted_sigmoid", "asymmetric", "hill", "logit_adjusted"}
    assert {"focal", "class_balanced"} <= {part.split()[-2] for part in behind.split(", ")}
    _, table = report.tables["bins_fixed"]
    few = [(row[1], cell) for row in table.rows for cell in row[2:4] if "±" in cell]
    pairs = [(head, [float(part) for part in cell.split("±")]) for head, cell in few]
    clear = {head for head, (mean, half) in pairs if mean > half > 0 and head != "sigmoid"}
    assert clear == {"logit_adjusted"}


def test_the_expected_number_of_labels_is_behind_a_threshold_where_the_page_says() -> None:
    _, table = made_of("factorised").report.tables["rules"]
    gains = {
        row[0]: {
            data: interval_in(cell)
            for data, cell in zip(table.header[1:], row[1:], strict=True)
            if cell != "-"
        }
        for row in table.rows
    }
    measured = {loss: by_data for loss, by_data in gains.items() if by_data}
    assert len(measured) > 4
    ahead: dict[str, set[str]] = {"scene": set(), "digits": set()}
    for loss, by_data in measured.items():
        assert by_data["emotions"][0] < 0
        assert by_data["yeast"][0] < 0
        for data, losses in ahead.items():
            mean, half = by_data[data]
            if mean > half:
                losses.add(loss)
    assert ahead["scene"] == {"sigmoid"}
    assert ahead["digits"] == {"distribution x mse", "distribution x gaussian"}


def test_no_factorised_loss_is_ahead_of_sigmoid_in_worlds_that_are_not_pairwise() -> None:
    _, table = made_of("factorised").report.tables["worlds"]
    gains = [[interval_in(cell) for cell in row[1:]] for row in table.rows[2:]]
    assert len(gains) == 6
    assert not any(mean > half for row in gains for mean, half in row)
    assert all(abs(mean) <= 0.002 for *_, (mean, _) in gains)
    assert max(half for *_, (_, half) in gains) == 0.009
    behind = {
        row[0]
        for row, (_, (mean, half), _) in zip(table.rows[2:], gains, strict=True)
        if -mean > half
    }
    assert behind == {row[0] for row in table.rows[2:]} - {"distribution x poisson"}


def gains(metric: str, data: str) -> dict[str, tuple[float, float]]:
    """Return the intervals of the contestants of `equal_budgets` on a data set."""
    _, table = made_of("equal_budgets").report.tables[f"gains_{metric}"]
    column = table.header.index(data)
    cells = {row[0]: row[column].rstrip("*") for row in table.rows[:-1]}
    return {name: interval_in(cell) for name, cell in cells.items() if cell != "-"}


def starred(metric: str, data: str) -> set[str]:
    """Return the contestants whose gain has a star: their interval excludes 0."""
    _, table = made_of("equal_budgets").report.tables[f"gains_{metric}"]
    column = table.header.index(data)
    return {row[0] for row in table.rows if row[column].endswith("*")}


def measured_sets() -> list[str]:
    _, table = made_of("equal_budgets").report.tables["gains_jaccard_samples"]
    return table.header[1:]


def test_the_leads_on_single_data_sets_are_those_of_the_tables() -> None:
    numbers = made_of("equal_budgets").report.numbers
    for metric in ("jaccard_samples", "f1_macro", "subset_accuracy"):
        ahead = {
            f"{name} on {data}"
            for data in measured_sets()
            for name, (mean, half) in gains(metric, data).items()
            # The ends are compared before they are rounded.
            if mean > half
            or (mean == half and f"{name} on {data} " in numbers[f"ahead_by_data_{metric}"])
        }
        quoted = numbers[f"ahead_by_data_{metric}"].split(", ")
        assert ahead == {text.rsplit(" ", 2)[0] for text in quoted}


def test_what_is_at_the_edge_of_its_interval_is_named() -> None:
    numbers = made_of("equal_budgets").report.numbers
    for metric in ("jaccard_samples", "f1_macro", "subset_accuracy"):
        named = set(numbers[f"at_edge_{metric}"].split(", ")) - {"none"}
        for data in measured_sets():
            for name, (mean, half) in gains(metric, data).items():
                # The cells are rounded to three decimals.
                off, error = abs(mean - half) - 0.05 * half, 0.0011
                if f"{name} on {data}" in named:
                    assert mean > 0
                    assert off < error
                else:
                    assert mean <= 0 or off > -error


def test_the_baselines_that_are_first_are_trees() -> None:
    numbers = made_of("equal_budgets").report.numbers
    first = numbers["baselines_first"].split(", ")
    trees = ("random_forest", "random_forest_powerset", "gradient_boosting")
    for text in first:
        name, _, data, lead = text.split(" ")
        assert name in trees
        jaccard = {head: mean for head, (mean, _) in gains("jaccard_samples", data).items()}
        best = max(0.0, *(mean for head, mean in jaccard.items() if head not in BASELINES))
        assert max(jaccard, key=lambda head: jaccard[head]) == name
        assert jaccard[name] - best == pytest.approx(float(lead), abs=0.0011)
    assert numbers["baselines_first_on"] == f"{len(first)} of {len(measured_sets())}"


def test_the_configurations_of_sigmoid_at_one_half_that_are_not_reported() -> None:
    rows = rows_of(*measured_sets())
    at_half = rows[(rows["head"] == "sigmoid") & (rows["rule"] == "fixed")]
    reported = {data for data, _, _ in configured(at_half, "jaccard_samples")}
    assert set(at_half["data"]) - reported == {"tmc2007-500", "imdb", "bibtex"}


def test_the_joint_heads_that_find_more_exact_sets_are_named_with_their_gains() -> None:
    quoted = made_of("equal_budgets").report.numbers["joint_exact_ahead"].split(", ")
    ahead = {
        f"{name} on {data}": (mean, half)
        for data in measured_sets()
        for name, (mean, half) in gains("subset_accuracy", data).items()
        if name in JOINT and mean > half
    }
    named = {text.rsplit(" ", 2)[0]: interval_in(text.split(" ", 3)[3]) for text in quoted}
    assert ahead == named


def test_the_joint_heads_find_more_exact_sets_on_two_to_five_data_sets() -> None:
    numbers = made_of("equal_budgets").report.numbers
    rows, detectable = {}, {}
    _, table = made_of("equal_budgets").report.tables["gains_subset_accuracy"]
    for data in measured_sets():
        path = path_of(RESULTS / "equal_budgets", data)
        rows[data] = read(path, [TARGETS])[TARGETS].shape[1]
        detectable[data] = float(table.rows[-1][table.header.index(data)])
    ahead: dict[str, set[str]] = {head: set() for head in JOINT}
    for text in numbers["joint_exact_ahead"].split(", "):
        head, _, data, *_ = text.split(" ")
        ahead[head].add(data)
    assert ahead["label_powerset"] == {"yeast", "tmc2007-500", "imdb", "bibtex", "corel5k"}
    assert ahead["pairwise"] == {data for data, n in rows.items() if n >= 2500}
    assert ahead["chain"] == {"yeast", "imdb", "corel5k"}
    assert ahead["bernoulli_mixture"] == {"yeast", "imdb"}
    assert detectable["cal500"] == 0
    for data in ("enron", "yeast", "corel5k"):
        assert f"pairwise on {data}" in numbers["at_edge_subset_accuracy"]


def test_the_front_page_names_the_largest_of_what_it_picked() -> None:
    numbers = made_of("equal_budgets").report.numbers
    counts = {head: int(numbers[f"exact_ahead_{head}"].split(" ")[0]) for head in JOINT}
    assert max(counts, key=lambda head: counts[head]) == "label_powerset"
    many = [data for data in measured_sets() if PLANS[data].n_labels >= 100]
    assert set(many) == {"bibtex", "corel5k", "cal500"}
    gain = {data: gains("jaccard_samples", data)["pairwise"][0] for data in many}
    assert max(gain, key=lambda data: gain[data]) == "bibtex"


def test_on_bibtex_sigmoid_has_more_than_in_the_league() -> None:
    found = {}
    for name in ("league", "equal_budgets"):
        table = (RESULTS / name / "jaccard_samples.md").read_text(encoding="utf-8")
        lines = [
            re.split(r"\s*\|\s*", line.strip("| ")) for line in table.splitlines() if "|" in line
        ]
        rows = {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines}
        for head in ("sigmoid", "pairwise"):
            found[name, head] = float(rows[head]["bibtex"].strip(">").split(" ")[0])
    assert found == {
        ("league", "sigmoid"): 0.362,
        ("league", "pairwise"): 0.394,
        ("equal_budgets", "sigmoid"): 0.381,
        ("equal_budgets", "pairwise"): 0.395,
    }


def test_the_joint_heads_find_more_exact_sets_on_the_mean() -> None:
    findings = made_of("equal_budgets").report.findings
    assert [f.held for f in findings if f.prediction.startswith("joint heads")] == [True]


def test_pairwise_alone_finds_more_exact_sets_on_the_mean_at_the_edge() -> None:
    numbers = made_of("equal_budgets").report.numbers
    (ahead,) = numbers["ahead_gains_subset_accuracy"].split(", ")
    assert ahead.startswith("pairwise +")
    assert "pairwise" in numbers["mean_at_edge_subset_accuracy"].split(", ")


def test_what_was_predicted_of_values_beyond_all_ends() -> None:
    held = {f.prediction: f.held for f in made_of("equal_budgets").report.findings}
    own = [value for text, value in held.items() if "single contestants' options" in text]
    every = [value for text, value in held.items() if text.startswith("among all configurations")]
    last = [value for text, value in held.items() if text.startswith("among all, with a dropout")]
    assert (own, every, last) == ([True], [False, False], [True])
    found = next(
        f for f in made_of("equal_budgets").report.findings if "no contestant" in f.prediction
    )
    assert found.measured.endswith("subset_accuracy chain, pairwise")
    assert "jaccard_samples none; f1_macro none" in found.measured


def test_who_is_at_the_edge_of_the_interval_among_all_configurations() -> None:
    _, table = made_of("equal_budgets").report.tables["wider"]

    def ends(column: str) -> dict[str, float]:
        """The lower ends of the intervals, by contestant."""
        cells = {row[0]: row[table.header.index(column)] for row in table.rows}
        parts = {name: cell.split(" ±") for name, cell in cells.items()}
        return {name: float(mean) - float(half) for name, (mean, half) in parts.items()}

    assert len(table.rows) == 37
    assert max(ends("f1_macro, search").items(), key=lambda each: each[1])[0] == "two_way"
    exact = ends("subset_accuracy, search")
    assert max(exact, key=exact.__getitem__) == "pairwise"
    assert 0 < exact["pairwise"] < 0.0015
    at_edge = {name for name, end in ends("jaccard_samples, all").items() if end > -0.0015}
    assert at_edge == {"pairwise", "class_balanced", "random_forest_by_label"}
    assert {row[1] for row in table.rows if row[0] == "random_forest_by_label"} == {"5"}


def test_on_birds_one_softmax_is_behind() -> None:
    jaccard = gains("jaccard_samples", "birds")
    for name in ("pick_one", "softmax_uniform", "softmax_all"):
        assert -jaccard[name][0] > jaccard[name][1]


def rows_of(*data: str) -> pd.DataFrame:
    """Return the stored rows of searches of `equal_budgets` with sigmoid."""
    studies = [study for study in load("equal_budgets").studies if study.name in data]
    store = RESULTS / "equal_budgets"
    return pd.concat(
        Store(study, store).frame([t for t in study.trials("full") if t["head"] == "sigmoid"])
        for study in studies
    )


def test_on_scene_one_seed_chose_a_worse_configuration_for_sigmoid() -> None:
    rows = rows_of("scene")
    of_head = rows[(rows["head"] == "sigmoid") & (rows["phase"] == CONFIRM)]
    chosen, rule = tuned(rows[rows["head"] == "sigmoid"], "jaccard_samples")[
        ["number", "rule"]
    ].iloc[0]
    means = of_head[of_head["rule"] == rule].groupby("number")["jaccard_samples"].mean()
    assert means.drop(chosen).max() - means[chosen] == pytest.approx(0.018, abs=0.0005)


def intervals_of(number: str) -> dict[str, tuple[float, float]]:
    """Return the intervals by name of a number of `one_network_or_many`, "name mean ±half, ..."."""
    text = made_of("one_network_or_many").report.numbers[number]
    parts = [part.rsplit(" ", 2) for part in text.replace(" rows", "").split(", ")]
    return {name: interval_in(f"{mean} {half}") for name, mean, half in parts}


def test_networks_for_each_label_are_nowhere_ahead_of_a_shared_one() -> None:
    for number in ("alike", "larger", "tuned_alike", "tuned_larger"):
        assert not any(mean > half for mean, half in intervals_of(number).values()), number
    numbers = made_of("one_network_or_many").report.numbers
    for number in ("alike", "tuned_alike"):
        behind = [mean < -half for mean, half in intervals_of(number).values()]
        assert numbers[f"{number}_behind"] == f"{sum(behind)} of {len(behind)}"


def test_networks_that_are_ahead_by_another_metric_are_named() -> None:
    """Computed here from the rows of digits, one rate."""
    rows = pd.read_csv(RESULTS / "one_network_or_many" / "networks.csv")
    rows["run"] = rows["run"].ffill()
    rows = rows[(rows["rule"] == "global") & rows["run"].str.contains("data=digits ")]
    rows["seed"] = rows["run"].str.extract(r" seed=(\d+)")[0]
    separate = rows["run"].str.contains("separate=true")
    as_large = separate & rows["run"].str.contains("256")
    named = made_of("one_network_or_many").report.numbers["larger_ahead"]
    for metric in ("f1_macro", "subset_accuracy"):
        many, one = (rows[part].set_index("seed")[metric] for part in (as_large, ~separate))
        difference = (many - one).dropna()
        assert len(difference) == 10
        assert difference.mean() > 2.262 * difference.std() / 10**0.5
        assert f"digits {metric} {difference.mean():+.3f}" in named


def test_decided_by_group_sigmoids_and_groups_are_not_told_apart() -> None:
    assert all(abs(mean) <= half for mean, half in intervals_of("tuned_groups").values())


def test_with_many_rows_label_sets_are_ahead_of_groups_at_their_own_rates() -> None:
    found = intervals_of("tuned_powerset")
    assert list(found) == ["200", "1,000", "4,000"]
    assert found["4,000"][0] > found["4,000"][1]
    assert found["200"][0] < -found["200"][1]


def test_no_point_lies_under_the_legend_of_what_decides() -> None:
    (axes,) = made_of("learned_features").report.figures["decides"].axes
    axes.figure.draw_without_rendering()
    legend = axes.get_legend()
    assert legend is not None
    box = legend.get_window_extent()
    points = [p for line in axes.lines for p in axes.transData.transform(line.get_xydata())]
    assert len(points) > 20
    assert not any(box.contains(*point) for point in points)


def test_the_figure_of_empty_rows_names_what_its_panels_are() -> None:
    figure = made_of("imbalance").report.figures["empty"]
    assert "50%" in [axes.get_title() for axes in figure.axes]
    assert "By labels' frequency" in figure.get_suptitle()


def interval_in(cell: str) -> tuple[float, float]:
    """Return the mean and half the width of an interval in a table."""
    mean, _, half = cell.partition(" ±")
    return float(mean), float(half)
