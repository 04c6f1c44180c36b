"""The comparison of all heads and rules on real data, tuned with equal budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from experiments.harness import Experiment, Finding, Report
from experiments.harness.report import listed
from experiments.league.baselines import NAME as BASELINE
from experiments.league.baselines import LogisticRegressions, MostFrequentSets
from experiments.league.claims import DEPENDENT, claims, constants, over_logistic
from experiments.league.ensembles import N_MEMBERS, Ensembles
from experiments.league.forest import forest_figure
from experiments.league.pooled import (
    best_ensembles,
    best_ensembles_table,
    ensemble_gains,
    ensembles_table,
)
from experiments.league.published import HEADS as COMPARED
from experiments.league.published import F1OfSamples, published_table
from experiments.league.significance import (
    friedman_p,
    least_wilcoxon_holm,
    ranks_figure,
)
from experiments.league.standings import (
    LEAST_SEEDS,
    against,
    best_pairs,
    best_table,
    means,
    optimism_table,
    ranks,
    rule_gains,
    rules_table,
    select,
    standings,
)
from experiments.league.studies import (
    BUDGETS,
    ENSEMBLES,
    LARGE,
    METRICS,
    N_LABELS,
    RULES,
    SMALL,
    Runs,
    contestants,
)
from experiments.league.withdrawn import is_withdrawn, withdrawn_table, without_withdrawn
from mlc.reporting.statistics import mean_interval

# The least number of labels called many; chosen after the tables were seen.
MANY_LABELS = 100


def completely_measured(
    rows: pd.DataFrame, heads: Callable[[str], Sequence[str]] = contestants
) -> list[str]:
    """Return the data sets on which all heads have the same number of runs."""
    n_runs = rows[rows["head"] != BASELINE].groupby(["data", "head"], sort=False)["run"].nunique()
    complete = []
    for data, counts in n_runs.groupby("data", sort=False):
        if len(counts) == len(heads(str(data))) and counts.nunique() == 1:
            complete.append(str(data))
    return complete


def _complete(
    rows: pd.DataFrame, heads: Callable[[str], Sequence[str]] = contestants
) -> pd.DataFrame:
    return rows[rows["data"].isin(completely_measured(rows, heads))] if len(rows) else rows


N_SEEDS = {data: BUDGETS["full"][data][0] for data in SMALL + LARGE}


class League(Experiment):
    """The experiment that compares all heads on real data."""

    name = "league"
    studies = (
        *(Runs(data) for data in SMALL + LARGE),
        LogisticRegressions(N_SEEDS, METRICS, RULES),
        MostFrequentSets(N_SEEDS, METRICS, RULES),
        Ensembles({data: contestants(data) for data in SMALL}, ENSEMBLES, METRICS, RULES),
        F1OfSamples(),
    )

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report the tuned heads, their ranks, tests, and rules."""
        apart = (Ensembles.name, F1OfSamples.name, MostFrequentSets.name)
        single = [frame for name, frame in frames.items() if name not in apart and len(frame)]
        measured = _complete(pd.concat(single, ignore_index=True))
        all_ensembles = _complete(frames[Ensembles.name])
        of_samples = _complete(frames[F1OfSamples.name], lambda data: COMPARED)
        rows, ensembles, of_samples = map(without_withdrawn, (measured, all_ensembles, of_samples))
        report = Report()
        left_out = f"{is_withdrawn(measured).sum():,} withdrawn rows are left out"
        for metric in METRICS:
            tuned = select(rows, metric)
            report.tables[metric] = (
                f"Test {metric} of each head, its configuration and rule chosen on validation rows"
                " (mean of the seeds ± half its 95% t-interval over seeds; ranks count whole columns;"
                f" {left_out})",
                standings(tuned, metric),
            )
            figure = ranks_figure(tuned, metric)
            if figure is not None:
                report.figures[f"ranks_{metric}"] = figure
        tuned = select(rows, "jaccard_samples")
        report.tables["against_sigmoid"] = (
            "Test jaccard_samples less that of sigmoid, seeds in pairs (mean ± half its 95% t-interval"
            " over seeds; * where the paired t-test has p < 5% after Holm's correction over the heads of"
            f" the data set; none with fewer than {LEAST_SEEDS} seeds; {left_out})",
            against(tuned, "jaccard_samples", "sigmoid"),
        )
        report.figures["against_sigmoid"] = forest_figure(tuned, "jaccard_samples")
        report.tables["rules"] = (
            "Test jaccard_samples by rule, of the configuration that is best for the rule on"
            " validation rows: mean over the heads that can take it, less that of global on the same"
            f" heads and seeds (± over seeds; {left_out})",
            rules_table(rows),
        )
        report.tables["optimism"] = (
            "Validation less test value of jaccard_samples by rule, mean over the heads: how much a rule"
            f" that was tuned on the validation rows looks better there (± over seeds; {left_out})",
            optimism_table(rows, "jaccard_samples"),
        )
        report.tables["best"] = (
            "The best pair of head and rule on each data set by mean test jaccard_samples (chosen by"
            " looking at the test rows, so an oracle) beside the fair choice and logistic regression"
            f" (± over seeds; {left_out})",
            best_table(rows, tuned),
        )
        report.tables["published"] = (
            "What others published on the same test rows, and the same metric here (each head's rule"
            " and configuration chosen on validation rows; ± over seeds)",
            published_table(rows, of_samples),
        )
        report.tables["withdrawn"] = (
            "Rows of heads and of logistic regression that no choice, rank or verdict uses, until they"
            " are measured again",
            withdrawn_table(measured),
        )
        self._find(report, rows, tuned)
        report.numbers |= constants(rows, frames[MostFrequentSets.name])
        report.numbers["withdrawn"] = f"{is_withdrawn(measured).sum():,}"
        report.numbers["of_rows"] = f"{len(measured):,}"
        report.numbers["withdrawn_ensembles"] = f"{is_withdrawn(all_ensembles).sum():,}"
        chains = tuned[tuned["head"] == "chain"].get("head.n_chains")
        n_chains = 0 if chains is None else int((pd.to_numeric(chains) > 1).sum())
        report.numbers["many_chains"] = f"{n_chains} of {(tuned['head'] == 'chain').sum()}"
        if len(ensembles):
            self._report_ensembles(report, ensembles, tuned)
        return report

    @staticmethod
    def _report_ensembles(report: Report, ensembles: pd.DataFrame, tuned: pd.DataFrame) -> None:
        report.tables["ensembles"] = (
            f"Test jaccard_samples of {N_MEMBERS} networks with default settings, averaged, the rule"
            " chosen out of bag (in brackets, less that of one tuned network)",
            ensembles_table(ensembles, tuned),
        )
        report.tables["best_ensembles"] = (
            "The pair of head and rule whose ensembles are best on the test rows (an oracle), and the"
            " one that is best out of bag (the fair choice), by mean jaccard_samples",
            best_ensembles_table(ensembles),
        )
        gains = ensemble_gains(ensembles, tuned).mean()
        values = ensembles.groupby(["data", "head", "rule"])["jaccard_samples"].mean()
        for data, pairs in best_ensembles(ensembles).iterrows():
            for kind in ("oracle", "chosen"):
                report.numbers[f"ensemble_{kind}_{data}"] = (
                    f"{values.loc[(data, *pairs[kind])]:.3f}"
                )
            report.numbers[f"ensemble_pair_{data}"] = ", ".join(pairs["chosen"])
        report.numbers["ensemble_gain"] = ", ".join(
            f"{data} {gain:+.3f}" for data, gain in gains.items()
        )
        report.findings.append(
            Finding(
                f"{N_MEMBERS} untuned networks together are better than one tuned network with the"
                " same head, on the mean of the heads, on every data set",
                report.numbers["ensemble_gain"],
                bool((gains > 0).all()),
            )
        )

    def _find(self, report: Report, rows: pd.DataFrame, tuned: pd.DataFrame) -> None:
        metric = "jaccard_samples"
        heads = tuned[tuned["head"] != BASELINE]
        data_sets = list(dict.fromkeys(heads["data"]))
        # Ranks among all contestants, as in the table and the diagram.
        average = ranks(tuned, metric).mean(axis=1).drop(BASELINE, errors="ignore").sort_values()
        values = means(heads, metric)
        winners = values.idxmax()
        by_data = values.max() - values.loc["sigmoid"]
        behind = by_data.max()
        dependent = values.loc[list(DEPENDENT)].mean() - values.loc["sigmoid"]
        many = [data for data in data_sets if N_LABELS[data] >= MANY_LABELS]
        gain = rule_gains(rows, "expected_jaccard")
        sigmoid_lost = -rule_gains(rows[rows["head"] == "sigmoid"], "fixed")
        oracle = best_pairs(rows)
        logistic = means(tuned[tuned["head"] == BASELINE], metric)
        margins = over_logistic(tuned)
        above = oracle - logistic.loc[BASELINE] if len(logistic) else oracle.iloc[:0]
        middle = len(average) / 2
        positions = {head: int(position) + 1 for position, head in enumerate(average.index)}
        report.numbers = {
            "n_data": str(len(data_sets)),
            "n_heads": str(len(average)),
            "first": str(average.index[0]),
            "first_rank": f"{average.iloc[0]:.1f}",
            "second": str(average.index[1]),
            "last": str(average.index[-1]),
            "last_rank": f"{average.iloc[-1]:.1f}",
            "sigmoid_place": str(positions["sigmoid"]),
            "pick_one_place": str(positions["pick_one"]),
            "sigmoid_behind": f"{behind:.3f}",
            "sigmoid_behind_mean": str(mean_interval(by_data)),
            "sigmoid_fixed_loss": str(mean_interval(sigmoid_lost)),
            "sigmoid_fixed_worst": f"{sigmoid_lost.idxmax()} {sigmoid_lost.max():.3f}",
            "sigmoid_rule_over_head_sets": (
                f"{int((sigmoid_lost > by_data).sum())} of {len(sigmoid_lost)}"
            ),
            "sigmoid_behind_few": f"{by_data.drop(many).max():.3f}",
            "dependent_gain_few": f"{dependent.drop(many).mean():+.3f}",
            "beats_logistic": _ahead(values, logistic),
            "over_logistic": listed(margins) or "not measured",
            **claims(rows, tuned, many),
            "friedman": _shown(friedman_p(tuned, metric)),
            "wilcoxon": f"{least_wilcoxon_holm(len(data_sets), len(average)):.2g}",
            "n_winners": str(winners.nunique()),
            "rule_gain": ", ".join(f"{data} {value:+.3f}" for data, value in gain.items()),
            **{f"best_{data}": f"{value:.3f}" for data, value in oracle.items()},
        }
        report.findings = [
            Finding(
                "no head is the best on every data set by jaccard_samples",
                ", ".join(f"{data} {head}" for data, head in winners.items()),
                winners.nunique() > 1,
            ),
            Finding(
                "sigmoid, tuned alike, is never more than 0.02 behind the best head",
                f"at most {behind:.3f}",
                bool(behind <= 0.02),
            ),
            Finding(
                "pick_one stands in the lower half",
                f"place {positions['pick_one']} of {len(average)}",
                bool(positions["pick_one"] > middle),
            ),
            Finding(
                "expected_jaccard is better than global on the mean of the heads on most data sets",
                report.numbers["rule_gain"],
                bool((gain > 0).mean() > 0.5),
            ),
            Finding(
                "the head that is best on validation rows is no worse than tuned one-vs-rest"
                " logistic regression on any data set",
                report.numbers["over_logistic"],
                bool(margins) and all(value.mean >= 0 for value in margins.values()),
            ),
            Finding(
                "nor is the best pair of head and rule (looked up on the test rows)",
                ", ".join(f"{data} {value:+.3f}" for data, value in above.items())
                or "not measured",
                bool(len(above)) and bool((above >= 0).all()),
            ),
        ]


def _shown(p: float | None) -> str:
    return "not tested" if p is None else f"{p:.2g}"


def _ahead(values: pd.DataFrame, logistic: pd.DataFrame) -> str:
    """Count the pairs of head and data set above logistic regression."""
    both = [data for data in values if data in logistic]
    above = values[both].gt(logistic.loc[BASELINE, both]) if both else values[both]
    return f"{int(above.sum().sum())} of {int(values[both].notna().sum().sum())}"


EXPERIMENT = League()
