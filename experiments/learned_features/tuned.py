"""The measured kinds of features, and what is chosen on their validation rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.harness import Trial
from experiments.harness.study import command_of
from experiments.league.standings import candidates, select
from experiments.learned_features.rules import AT_LEAST_ONE
from experiments.learned_features.studies import PRECISION, Learned
from mlc.reporting.statistics import Interval, mean_interval

NOT_MEASURED = "not measured"
# The name of each study in tables: a data set and its features.
TITLES = {
    "goemotions_words": "GoEmotions, words",
    "goemotions_bag": "GoEmotions, embedding bag",
    "goemotions_frozen": "GoEmotions, frozen MiniLM",
    "goemotions_fine_tuned": "GoEmotions, fine-tuned MiniLM",
    "reuters_words": "Reuters, words",
    "reuters_bag": "Reuters, embedding bag",
    "reuters_frozen": "Reuters, frozen MiniLM",
    "ucmerced_frozen": "UC Merced, frozen EfficientNet",
    "ucmerced_fine_tuned": "UC Merced, fine-tuned EfficientNet",
    "ucmerced_fine_tuned_96": "UC Merced, fine-tuned EfficientNet at 96 px",
    "ucmerced_cnn": "UC Merced, CNN from scratch",
}


def complete(study: Learned, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the configurations that all heads have in all seeds.

    Heads that have no configuration in all seeds are left out. Of the quick budget's rows alone, the
    heads and seeds are those of the quick budget.
    """
    rows = frame[frame["rule"].notna()] if len(frame) else frame
    runs = set(frame["run"]) if len(frame) else set()
    for budget in ("full", "quick"):
        wanted = [_by_head(trials) for trials in study.by_configuration(budget)]
        heads = [head for head in wanted[0] if any(each[head] <= runs for each in wanted)]
        finished = [
            set().union(*(each[head] for head in heads))
            for each in wanted
            if all(each[head] <= runs for head in heads)
        ]
        if "sigmoid" in heads and finished:
            return rows[rows["run"].isin(set().union(*finished))]
    return rows.iloc[:0]


def with_at_least_one(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, and those of "at least one" of runs whose rule leaves no row without a label.

    Such a run has no row of its own for it, since the rule decides alike; a rule is then compared with
    itself "at least one" over the same runs. Only heads that have the pair in some run get it.
    """
    plain = rows[~rows["rule"].str.endswith(AT_LEAST_ONE)]
    same = plain.assign(rule=plain["rule"] + AT_LEAST_ONE)
    pairs, present = (set(zip(rows[key], rows["rule"], strict=True)) for key in ("head", "run"))
    lacking = [
        (head, rule) in pairs and (run, rule) not in present
        for head, run, rule in zip(same["head"], same["run"], same["rule"], strict=True)
    ]
    # Last, so that of equal values the rule itself is chosen.
    return pd.concat([rows, same[lacking]], ignore_index=True)


def _by_head(trials: Sequence[Trial]) -> dict[str, set[str]]:
    """Return the commands of trials by head."""
    commands: dict[str, set[str]] = {}
    for trial in trials:
        commands.setdefault(str(trial["head"]), set()).add(command_of(trial))
    return commands


def not_finished(study: Learned, rows: pd.DataFrame) -> list[str]:
    """Return the heads of a study that complete rows lack."""
    return [head for head in _by_head(study.trials("full")) if head not in set(rows["head"])]


def n_configurations(study: Learned, rows: pd.DataFrame) -> int:
    """Return the number of configurations among complete rows."""
    numbers = study.configurations()
    return len({numbers[run] for run in rows["run"].unique()})


def measured(
    studies: Sequence[Learned], frames: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Return the complete rows of each study that has any, by study; "data" holds its title."""
    kinds = {study.name: complete(study, frames[study.name]) for study in studies}
    return {
        name: with_at_least_one(rows).assign(data=title)
        for name, title in TITLES.items()
        if name in kinds and len(rows := kinds[name])
    }


def best_by_precision(rows: pd.DataFrame) -> tuple[str, Interval]:
    """Return the head with the best validation mean average precision, and its test value.

    The configuration is chosen for each head and seed on validation rows.
    """
    runs = rows.drop_duplicates("run")
    chosen = runs.loc[runs.groupby(["head", "seed"])[f"val/{PRECISION}"].idxmax()]
    head = str(chosen.groupby("head")[f"val/{PRECISION}"].mean().idxmax())
    return head, mean_interval(chosen[chosen["head"] == head][f"test/{PRECISION}"])


def best_pair(rows: pd.DataFrame, metric: str) -> tuple[str, str, Interval]:
    """Return the pair of head and rule that is best on validation rows, and its test value.

    The configuration of the pair is chosen for each seed on validation rows.
    """
    pairs = select(candidates(rows, metric), metric, by_rule=True)
    validation = pairs.groupby(["head", "rule"])[f"val_{metric}"].mean()
    head, rule = validation.idxmax()
    test = pairs[(pairs["head"] == head) & (pairs["rule"] == rule)][metric]
    return str(head), str(rule), mean_interval(test)


def values_of(rows: pd.DataFrame, rule: str, metric: str, head: str = "sigmoid") -> Interval | None:
    """Return the test value of a head with one rule, its configuration chosen on validation rows."""
    group = rows[(rows["head"] == head) & (rows["rule"] == rule)]
    return mean_interval(select(group, metric)[metric]) if len(group) else None
