"""Measure what is missing, then report."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype
from tqdm import tqdm

from benchmarks import measuring
from experiments.harness import provenance
from experiments.harness.experiment import EXPERIMENTS, ROOT, Experiment, load
from experiments.harness.report import Report, together
from experiments.harness.store import Store
from experiments.harness.study import BUDGETS, command_of
from mlc.config.errors import ConfigError, DataError, MlcError
from mlc.launching.workers import n_cores

RESULTS = ROOT.parent / "results"

log = logging.getLogger(__name__)


def measure(
    experiment: Experiment,
    folder: Path,
    budget: str,
    n_workers: int | None = None,
    only: Sequence[str] = (),
) -> int:
    """Measure each trial of the budget that has no rows in the folder yet; return how many are left.

    `only` holds settings, as in "data=yeast", that a trial must have.
    """
    left = 0
    facts = provenance.here(machine())
    for study in experiment.studies:
        store, trials = Store(study, folder), study.trials(budget)
        unmeasured = store.missing(trials)
        missing = [t for t in unmeasured if set(only) <= set(command_of(t).split(" "))]
        left += len(unmeasured) - len(missing)
        if not missing:
            continue
        # Before the first row, so that none is without it if this process is killed.
        provenance.record(folder, budget, facts)
        started, n_measured = time.monotonic(), 0
        try:
            with tqdm(
                total=len(missing), desc=f"{experiment.name}/{study.name}", unit="trial"
            ) as bar:
                for measured in study.measure(missing, n_workers or n_cores()):
                    store.add(measured)
                    n_measured += len(measured)
                    bar.update(len(measured))
        finally:
            if n_measured:
                store.close(study.trials(BUDGETS[-1]))
                seconds = time.monotonic() - started
                provenance.record(folder, budget, facts, n_measured, seconds)
    return left


@dataclass(frozen=True)
class Made:
    """A report with the foot that belongs under its tables."""

    report: Report
    foot: str


def make(experiment: Experiment, folder: Path) -> Made:
    """The report of the largest budget of which anything is in the folder.

    Trials that are planned and not there are counted in the foot.

    Raises:
        ConfigError: nothing is there.
        DataError: the rows cannot be reported, as where some were deleted by hand.
    """
    frames: dict[str, pd.DataFrame] = {}
    done, planned = dict.fromkeys(BUDGETS, 0), dict.fromkeys(BUDGETS, 0)
    for study in experiment.studies:
        store = Store(study, folder)
        for budget in BUDGETS:
            trials = study.trials(budget)
            planned[budget] += len(trials)
            done[budget] += len(trials) - len(store.missing(trials))
        frames[study.name] = store.frame(study.trials(BUDGETS[-1]))
    if not any(done.values()):
        raise ConfigError(f"Nothing of {experiment.name} has been measured in {folder}: run it.")
    coverage = {budget: (done[budget], planned[budget]) for budget in BUDGETS}
    if planned["quick"] == planned["full"]:
        del coverage["quick"]
    elif done["full"] == done["quick"]:
        del coverage["full"]
    try:
        report = experiment.report(frames)
    except MlcError:
        raise
    # What is missing makes the analyses fail in ways of their own.
    except Exception as error:
        raise DataError(
            f"The rows of {experiment.name} in {folder} cannot be reported"
            f" ({type(error).__name__}: {error}): run it to measure what is missing."
        ) from error
    return Made(report, provenance.foot(experiment.name, folder, coverage, frames))


def compare(experiment: Experiment, folder: Path, committed: Path) -> list[str]:
    """How far the rows of a folder are from those that are committed, a sentence for each study."""
    told = []
    for study in experiment.studies:
        trials = study.trials(BUDGETS[-1])
        own, theirs = (Store(study, place).frame(trials) for place in (folder, committed))
        for rows in (own, theirs):
            rows["place"] = rows.groupby("run").cumcount()
        both = own.merge(theirs, on=["run", "place"], suffixes=("", " committed"))
        numeric = [c for c in study.columns if c in both and is_numeric_dtype(both[c])]
        if not len(both) or not numeric:
            continue
        differences = {c: (both[c] - both[f"{c} committed"]).abs() for c in numeric}
        parts = [
            f"{name} by {own.mean():.2g} on average, {own.max():.2g} at most"
            for name, own in differences.items()
            if own.max() > 0
        ]
        told.append(
            f"{study.name}: {len(both)} rows are in {committed} too; they differ in"
            f" {'; '.join(parts) or 'nothing'}."
        )
    return told


def overview() -> Report:
    """All that has results and can be reported, for the project's README."""
    reports: dict[str, Report] = {}
    unreported: list[str] = []
    for name in EXPERIMENTS:
        if (RESULTS / name).is_dir():
            try:
                reports[name] = make(load(name), RESULTS / name).report
            except MlcError as error:
                log.warning("The overview leaves it out: %s", error)
                unreported.append(name)
    return replace(together(reports), unreported=frozenset(unreported))


def machine() -> str:
    """The processor and how many cores are used."""
    return measuring.machine().split(";")[0]
