"""The experiment on learned features: do heads rank as on fixed ones, and what decides?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.harness import Experiment, Report
from experiments.harness.report import listed
from experiments.league.standings import against, select, standings
from experiments.learned_features.by_macro_f1 import pairwise_by_macro_f1
from experiments.learned_features.coloured import Coloured, ThreeNetworks
from experiments.learned_features.decides import fit_split
from experiments.learned_features.dials import Dials, name_of, settings
from experiments.learned_features.drawn import both, drawn_numbers, drawn_table
from experiments.learned_features.figures import decides_figure, heads_figure
from experiments.learned_features.findings import findings, numbers
from experiments.learned_features.groups import groups_caption, groups_table
from experiments.learned_features.leads import LEADS, leads
from experiments.learned_features.outcomes import LEAGUE, PROPERTIES, LeagueLeads, Properties
from experiments.learned_features.published import levels_table, published_table
from experiments.learned_features.studies import DRAWN, METRICS, STUDIES
from experiments.learned_features.tables import (
    correlations_table,
    decides_table,
    leads_table,
    properties_table,
    rules_table,
    transfer_table,
)
from experiments.learned_features.tuned import NOT_MEASURED, complete, measured
from mlc.reporting.statistics import mean_interval

DIALS = Dials()


class LearnedFeatures(Experiment):
    """The experiment that compares heads on learned features, and asks what decides."""

    name = "learned_features"
    studies = (
        LeagueLeads(),
        Properties(settings()),
        *STUDIES,
        DRAWN,
        Coloured(),
        ThreeNetworks(),
        DIALS,
    )

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report the heads by kind of features, and what decides over all data sets."""
        report = Report()
        kinds = measured(STUDIES, frames)
        if kinds:
            _report_heads(report, kinds)
        if len(frames["coloured"]):
            report.tables["groups"] = (
                groups_caption(frames["coloured"], frames["three_networks"]),
                groups_table(frames["coloured"], frames["three_networks"]),
            )
        parts = both(frames)
        if parts:
            report.tables["drawn"] = (
                "UC Merced, frozen EfficientNet: test values with the published validation rows, and"
                " with validation rows drawn from the published training and validation rows; the same"
                " configurations, chosen with the rules on validation rows (± over seeds)",
                drawn_table(parts),
            )
        report.numbers |= drawn_numbers(parts)
        found, properties = _over_all(frames, kinds)
        if len(found):
            _report_decides(report, found, properties)
        report.numbers |= numbers(frames, kinds, found, properties)
        report.numbers |= _leads_on_digits(frames["dials"])
        report.numbers["macro_pairwise"] = pairwise_by_macro_f1(kinds) or NOT_MEASURED
        report.findings = findings(frames, kinds, found, properties)
        return report


def _report_heads(report: Report, kinds: Mapping[str, pd.DataFrame]) -> None:
    rows = pd.concat(kinds.values(), ignore_index=True)
    how = "each head's configuration and rule chosen on validation rows"
    for metric in METRICS[:3]:
        report.tables[metric] = (
            f"Test {metric} by features, {how} (± over seeds; ranks count whole columns)",
            standings(select(rows, metric), metric),
        )
    report.tables["against_sigmoid"] = (
        "Test jaccard_samples less that of sigmoid, seeds in pairs (± over seeds; * where the paired"
        " t-test has p < 5% after Holm's correction over the heads of the column; none with fewer than 5"
        " seeds)",
        against(select(rows, METRICS[0]), METRICS[0], "sigmoid"),
    )
    report.tables["leads"] = (
        f"The head that is best on validation rows by jaccard_samples, and the leads: "
        f"{'; '.join(f'{name}: {text}' for name, text in LEADS.items())} (± over seeds)",
        leads_table(rows),
    )
    report.tables["rules"] = (
        "Test jaccard_samples of sigmoid by rule, its configuration chosen on validation rows",
        rules_table(kinds, METRICS[0]),
    )
    report.tables["published"] = (
        "Published values on the same test rows, and the same metric here (± over seeds)",
        published_table(kinds),
    )
    report.tables["levels"] = ("The values that were to be reached", levels_table(kinds))
    report.figures["heads"] = heads_figure(rows)


def _over_all(
    frames: Mapping[str, pd.DataFrame], kinds: Mapping[str, pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the mean leads of each kind of features of each data set, and the properties.

    The leads have the columns "group", the name of the data set, "kind", and those of `LEADS`; the
    properties have a row for each data set.
    """
    properties = frames["properties"]
    if properties.empty:
        return pd.DataFrame(), properties
    properties = properties.assign(group=_names(properties)).set_index("group")
    columns = list(LEADS)
    parts = []
    league = frames["leads"]
    if len(league):
        means = league.groupby("data", sort=False)[columns].mean()
        parts.append(means.rename_axis("group").reset_index().assign(kind="real"))
    for name, rows in kinds.items():
        means = leads(rows)[columns].mean().to_frame().T
        parts.append(means.assign(group=name.split("_")[0], kind="real"))
    dials = complete(DIALS, frames["dials"])
    if len(dials):
        means = leads(dials.assign(data=_names(dials))).groupby("data", sort=False)[columns].mean()
        parts.append(means.rename_axis("group").reset_index().assign(kind="digits"))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["group"])
    found = found[found["group"].isin(properties.index)].reset_index(drop=True)
    one = properties["one"].loc[found["group"]].to_numpy() if len(found) else []
    return found.assign(one=one), properties


def _leads_on_digits(dials: pd.DataFrame) -> dict[str, str]:
    """List the leads on digits with a set number of labels, with their intervals over seeds."""
    rows = complete(DIALS, dials)
    found = leads(rows.assign(data=_names(rows))) if len(rows) else pd.DataFrame()
    texts = dict.fromkeys(("one_threshold", "pick_one"), NOT_MEASURED)
    if len(found):
        by_data = found.groupby(found["data"].str.removeprefix("digits, "), sort=False)
        for lead in texts:
            texts[lead] = listed({str(name): mean_interval(v) for name, v in by_data[lead]})
    return {f"digits_{lead}": text for lead, text in texts.items()}


def _names(rows: pd.DataFrame) -> list[str]:
    """Return the name of each row's data set; generated ones are named by their settings."""
    if "data.digits_per_image" not in rows:
        return [str(name) for name in rows["data"]]
    return [
        name_of(shares) if name == "digits" else str(name)
        for name, shares in zip(rows["data"], rows["data.digits_per_image"], strict=True)
    ]


def _report_decides(report: Report, found: pd.DataFrame, properties: pd.DataFrame) -> None:
    real = found[found["kind"] == "real"].reset_index(drop=True)
    names = "; ".join(f"{name}: {text}" for name, text in PROPERTIES.items())
    report.tables["properties"] = (
        f"What can be measured before training, and the leads (mean over seeds and kinds of features);"
        f" {names}",
        properties_table(properties, found),
    )
    report.tables["decides"] = (
        "Rules with one split for each lead, fitted on real data; the absolute errors are those on data"
        " sets that were left out, and the gains have an interval over data sets",
        decides_table(properties, real),
    )
    if set(found["group"]) - set(LEAGUE):
        report.tables["transfer"] = (
            "Absolute errors on the three new data sets, and on digits with a set number of labels, of"
            " splits that were fitted on the league alone, of its mean, and of no lead (gains ± over"
            " these data sets)",
            transfer_table(properties, found),
        )
    report.tables["correlations"] = (
        "Spearman's correlation of each property with each lead over the real data sets (p by"
        " permutations, after Holm's correction over the properties)",
        correlations_table(properties, real),
    )
    values = properties.loc[real["group"]].set_axis(real.index)[list(PROPERTIES)]
    split = fit_split(values, real["one_threshold"], list(real["group"]))
    report.figures["decides"] = decides_figure(found, split)


EXPERIMENT = LearnedFeatures()
