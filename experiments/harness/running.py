"""Running experiments: measuring missing trials and reporting."""

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
from experiments.harness.report import Report, combine, quoted
from experiments.harness.store import Store
from experiments.harness.study import BUDGETS, command_of, in_processes
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
    """Measure the trials of a budget without rows in the folder; return the number not measured.

    `only` holds settings, as in "data=yeast", that a trial must have.
    """
    n_missing = 0
    facts = provenance.environment(machine())
    for study in experiment.studies:
        store, trials = Store(study, folder), study.trials(budget)
        unmeasured = store.missing(trials)
        missing = [t for t in unmeasured if set(only) <= set(command_of(t).split(" "))]
        n_missing += len(unmeasured) - len(missing)
        if not missing:
            continue
        # Before the first row, so that rows have a provenance even if this process is killed.
        provenance.record(folder, budget, facts)
        started, n_measured = time.monotonic(), 0
        try:
            with tqdm(
                total=len(missing), desc=f"{experiment.name}/{study.name}", unit="trial"
            ) as bar:
                for measured in study.measure(missing, n_workers or n_cores()):
                    study.keep(folder, measured)
                    store.add(measured)
                    n_measured += len(measured)
                    bar.update(len(measured))
        finally:
            if n_measured:
                store.close(study.trials(BUDGETS[-1]))
                seconds = time.monotonic() - started
                provenance.record(folder, budget, facts, n_measured, seconds)
    return n_missing


@dataclass(frozen=True)
class FootedReport:
    """A report with the footnote of its tables."""

    report: Report
    foot: str


def build_report(experiment: Experiment, folder: Path) -> FootedReport:
    """Build the report on all rows in the folder; the footnote counts the missing trials.

    Raises:
        ConfigError: there are no rows.
        DataError: the rows cannot be reported, for example because some were deleted by hand.
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
        report = experiment.report_from(folder, frames)
    except MlcError:
        raise
    # Missing rows can raise any exception in an analysis.
    except Exception as error:
        raise DataError(
            f"The rows of {experiment.name} in {folder} cannot be reported"
            f" ({type(error).__name__}: {error}): run it to measure what is missing."
        ) from error
    return FootedReport(report, provenance.foot(experiment.name, folder, coverage, frames))


def compare(experiment: Experiment, folder: Path, committed: Path) -> list[str]:
    """Describe the differences of a folder's rows from the committed rows, by study."""
    sentences = []
    for study in experiment.studies:
        trials = study.trials(BUDGETS[-1])
        measured, reference = (Store(study, path).frame(trials) for path in (folder, committed))
        for rows in (measured, reference):
            rows["row_of_run"] = rows.groupby("run").cumcount()
        both = measured.merge(reference, on=["run", "row_of_run"], suffixes=("", " committed"))
        numeric = [c for c in study.columns if c in both and is_numeric_dtype(both[c])]
        if not len(both) or not numeric:
            continue
        differences = {c: (both[c] - both[f"{c} committed"]).abs() for c in numeric}
        parts = [
            f"{name} by {values.mean():.2g} on average, {values.max():.2g} at most"
            for name, values in differences.items()
            if values.max() > 0
        ]
        sentences.append(
            f"{study.name}: {len(both)} rows are in {committed} too; they differ in"
            f" {'; '.join(parts) or 'nothing'}."
        )
    return sentences


def overview() -> Report:
    """Combine the reports of all experiments that have results, for the project's documents."""
    reports: dict[str, Report] = {}
    unreported: list[str] = []
    for name in EXPERIMENTS:
        if (RESULTS / name).is_dir():
            try:
                reports[name] = build_report(load(name), RESULTS / name).report
            except MlcError as error:
                log.warning("The overview omits %s: %s", name, error)
                unreported.append(name)
    return replace(combine(reports), unreported=frozenset(unreported))


def overview_documents(root: Path) -> list[Path]:
    """Return the documents that quote several experiments: README.md and some of docs."""
    documents = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return [path for path in documents if quoted(path.read_text(encoding="utf-8"))]


def machine() -> str:
    """Return the processor, the number of cores, and the GPU.

    Another process asks: once CUDA has answered a process, its forks cannot use CUDA.
    """
    ((_, text),) = in_processes(measuring.machine, [()], 1)
    return str(text).split(";")[0]
