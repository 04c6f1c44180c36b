"""Heads and baselines that were searched with equal numbers of configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from experiments.equal_budgets import beyond, own_options, tables, wider
from experiments.equal_budgets.bootstrap import N_DRAWS, Draws
from experiments.equal_budgets.chosen import complete, tuned
from experiments.equal_budgets.ensembles import (
    DATA,
    N_MEMBERS,
    Ensembles,
    ensemble_findings,
    ensembles_table,
    gains,
)
from experiments.equal_budgets.epochs import Epochs
from experiments.equal_budgets.findings import findings
from experiments.equal_budgets.forest import forest_figure, front_figure
from experiments.equal_budgets.front import front_numbers, sigmoid_behind
from experiments.equal_budgets.further import Further, compared
from experiments.equal_budgets.published import published_table
from experiments.equal_budgets.row_draws import REFERENCE, chosen_draws
from experiments.equal_budgets.runs import METRICS
from experiments.equal_budgets.signed_rank import MARGIN
from experiments.equal_budgets.studies import PLANS, Searches
from experiments.harness import Experiment, Finding, Report
from experiments.harness.report import listed
from experiments.league.standings import standings
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table

# Metrics with stored decisions.
BOOTSTRAPPED = METRICS[:3]
# By which the epoch is chosen.
MONITORED = "jaccard_samples"
_OVER = "± over seeds alone"
# The README has a block for each table before its rows are measured.
_NOT_MEASURED = {
    name: ("Not measured yet", Table(["contestant"], []))
    for name in (
        *(f"pooled_{metric}" for metric in BOOTSTRAPPED), *METRICS,
        *(f"gains_{metric}" for metric in BOOTSTRAPPED), "rules", "edges", "budgets", "published",
        "ensembles", *beyond.MEASURED, own_options.OWN, wider.WIDER,
    )
}  # fmt: skip
# Configurations beyond the search; each study of rates and dropout is compared beside those before it.
FURTHER: tuple[Further, ...] = (
    *(beyond.Beyond(name) for name in beyond.MEASURED),
    own_options.OwnOptions(),
)


class EqualBudgets(Experiment):
    """The experiment that searches all heads and baselines equally."""

    name = "equal_budgets"
    studies = (
        Epochs(),
        Ensembles(),
        *FURTHER,
        *(Searches(data) for data in PLANS),
    )

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report the chosen contestants, without intervals over test rows."""
        return self._report(frames, {})

    def report_from(self, folder: Path, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report the chosen contestants, with intervals from the stored decisions."""
        rows = _rows(frames)
        measured = BOOTSTRAPPED if len(rows) else ()
        draws = chosen_draws(rows, measured, folder, N_DRAWS)
        return self._report(frames, draws)

    @staticmethod
    def _report(
        frames: Mapping[str, pd.DataFrame], draws: Mapping[str, Mapping[str, Draws]]
    ) -> Report:
        rows, report = _rows(frames), Report(dict(_NOT_MEASURED))
        by_metric = {metric: tuned(rows, metric) for metric in METRICS} if len(rows) else {}
        for metric, chosen in by_metric.items():
            report.tables[metric] = (
                f"Test {metric}, configuration and rule chosen on validation rows ({_OVER}; ranks over"
                " contestants that all data sets have)",
                standings(chosen, metric),
            )
        found = {m: tables.gains_of(of_metric) for m, of_metric in draws.items() if of_metric}
        for metric, of_metric in found.items():
            _add_intervals(report, by_metric[metric], metric, draws[metric], of_metric)
        report.figures |= {"gains": forest_figure(found), "front": front_figure(found)}
        if len(rows):
            _add_tables(report, rows)
        if len(frames[Epochs.name]):
            _add_pilot(report, frames[Epochs.name])
        if len(frames[Ensembles.name]):
            _add_ensembles(report, frames[Ensembles.name])
        if len(rows):
            _add_further(report, rows, frames)
        if by_metric:
            report.findings += findings(by_metric)
            by_jaccard = by_metric["jaccard_samples"]
            report.numbers["sigmoid_behind"] = sigmoid_behind(by_jaccard)
            report.numbers |= front_numbers(rows, by_jaccard, found)
        report.numbers |= tables.clear_numbers(found)
        report.numbers["n_data"] = str(rows["data"].nunique() if len(rows) else 0)
        report.numbers["n_planned"] = str(len(PLANS))
        return report


def _rows(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of the completely measured data sets; of all with sigmoid if there are none."""
    measured = [frames[data] for data in PLANS if len(frames[data])]
    if not measured:
        return pd.DataFrame()
    rows = pd.concat(measured, ignore_index=True)
    done = complete(rows)
    if len(done):
        return done
    with_reference = set(rows.loc[rows["head"] == REFERENCE, "data"])
    return rows[rows["data"].isin(with_reference)]


def _add_intervals(
    report: Report, chosen: pd.DataFrame, metric: str, draws: Mapping[str, Draws],
    found: tables.Gains,
) -> None:  # fmt: skip
    report.tables[f"pooled_{metric}"] = (
        f"{metric} on the mean of {len(draws)} data sets: average rank, gain over {REFERENCE}"
        f" with an interval that holds for all contestants together, the least true gain that it would"
        " show with a probability of 80% (over data sets, whose values have the noise of their seeds and"
        " test rows: ranks bootstrapped, gains by the largest of Student's t), the Bayesian signed-rank"
        f" test over data sets with a margin of {MARGIN}, and Nemenyi's test",
        tables.pooled_table(draws, found.pooled, chosen, metric),
    )
    report.tables[f"gains_{metric}"] = (
        f"{metric} less that of {REFERENCE} (± simultaneous over the contestants of a data set,"
        " bootstrapped over seeds and test rows; * excludes 0)",
        tables.gains_by_data(found.by_data),
    )


def _add_pilot(report: Report, rows: pd.DataFrame) -> None:
    report.tables["epochs"] = (
        "Test values by the metric that chooses the epoch, less those by the loss (pilot on rows of the"
        " training parts; ± over data sets)",
        tables.epochs_table(rows),
    )
    by_metric = {m: tables.epoch_gains(rows, m) for m in METRICS}
    gains = {m: mean_interval(values[MONITORED]) for m, values in by_metric.items()}
    every = [mean_interval(each) for values in by_metric.values() for _, each in values.items()]
    n_clear = sum(gain.is_clear for gain in every)
    report.numbers["pilot_clear"] = f"{n_clear} of {len(every)}"
    report.findings.append(
        Finding(
            f"epochs chosen by {MONITORED} give test values that do not differ from those of epochs"
            " chosen by the loss beyond the interval",
            listed(gains),
            not any(gain.is_clear for gain in gains.values())
            if all(gain.n > 1 for gain in gains.values())
            else None,
        )
    )
    report.numbers["pilot_runs"] = str(rows["run"].nunique())


def _add_ensembles(report: Report, rows: pd.DataFrame) -> None:
    n_data, n_splits = rows["data"].nunique(), rows["seed"].nunique()
    report.tables["ensembles"] = (
        f"What the mean of {N_MEMBERS} networks gains over one that is trained on the same rows, default"
        f" settings, rules chosen on validation rows (mean of {n_data} data sets with {n_splits} splits"
        " each; ± over data sets; plus is better)",
        ensembles_table(rows),
    )
    for metric in METRICS:
        # Over data sets: the heads of one are no independent sample.
        over = mean_interval(gains(rows, metric).mean())
        report.numbers[f"ensemble_{metric}"] = str(over.signed())
    by_data = gains(rows, MONITORED).mean()
    report.numbers["ensemble_by_data"] = ", ".join(
        f"{data} {by_data[data]:+.3f}" for data in DATA if data in by_data
    )
    report.findings += ensemble_findings(rows)


def _add_further(report: Report, rows: pd.DataFrame, frames: Mapping[str, pd.DataFrame]) -> None:
    """Add the choices among configurations beyond the search, of the studies that have rows."""
    measured = {study: frames[study.name] for study in FURTHER if len(frames[study.name])}
    rates = {study: own for study, own in measured.items() if isinstance(study, beyond.Beyond)}
    for n_studies in range(1, len(rates) + 1):
        study = list(rates)[n_studies - 1].name
        found = compared(rows, dict(list(rates.items())[:n_studies]))
        if len(found):
            _add_beyond(report, study, found)
    own = {study: frame for study, frame in measured.items() if study not in rates}
    if own and len(found := compared(rows, own)):
        _add_own_options(report, found)
    earlier = {study: frame for study, frame in measured.items() if study.name != beyond.LAST}
    if len(earlier) == len(FURTHER) - 1 and len(found := compared(rows, earlier)):
        studies = [name for name in beyond.MEASURED if name != beyond.LAST]
        report.findings += wider.findings(found, studies)
        _add_wider(report, found, studies)
    if len(measured) == len(FURTHER) and len(found := compared(rows, measured)):
        what = "all, with a dropout of 0.95 and half the lowest rate,"
        report.findings.append(wider.few_are_open(found, list(beyond.MEASURED), what))
        report.numbers["wider_open_before"] = report.numbers["wider_open"]
        _add_wider(report, found, list(beyond.MEASURED))


def _add_beyond(report: Report, study: str, found: pd.DataFrame) -> None:
    report.tables[study] = (
        f"Choices among the configurations of the search and {len(beyond.COMPARED[study])} beyond its"
        " edges: per cent that are these, and what they change on test rows, with the seeds of the"
        f" search (mean of the heads of {found['data'].nunique()} data sets, ± over data sets; plus is"
        " better)",
        beyond.table(found, study),
    )
    report.findings += beyond.findings(found, study)
    report.numbers |= dict(beyond.numbers(found, study))


def _add_own_options(report: Report, found: pd.DataFrame) -> None:
    report.tables[own_options.OWN] = (
        "Values beyond the ends of options that single contestants have: per cent of the choices"
        f" (of {found['data'].nunique()} data sets at most and each metric) that are these",
        own_options.table(found),
    )
    report.findings += own_options.findings(found)
    report.numbers |= dict(own_options.numbers(found))


def _add_wider(report: Report, found: pd.DataFrame, studies: Sequence[str]) -> None:
    report.tables[wider.WIDER] = (
        "Gain over sigmoid of the configuration chosen in the search, and of that chosen among all"
        " configurations, those beyond it included; with the seeds of the search, the only ones that all"
        " configurations have (± over data sets, each by itself; baselines have no further ones beside"
        " those of their own options)",
        wider.table(found),
    )
    report.numbers |= dict(wider.numbers(found, studies))


def _add_tables(report: Report, rows: pd.DataFrame) -> None:
    report.tables["rules"] = (
        "Test jaccard_samples by rule, of the configuration chosen for it: mean over the data sets"
        " (in brackets their number where some have no such rule)",
        tables.rules_table(rows, METRICS[0]),
    )
    report.tables["edges"] = (
        "Chosen values in the outermost tenth at either end of their space, per cent, beside the"
        " share of drawn values there",
        tables.edges_table(rows),
    )
    report.tables["budgets"] = ("What each data set's search took", tables.budgets_table(rows))
    report.tables["published"] = (
        "What others published on the same test rows, and the same metric here",
        published_table(rows),
    )


EXPERIMENT = EqualBudgets()
