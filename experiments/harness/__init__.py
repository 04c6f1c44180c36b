"""The common machinery of the experiments: trials in cohorts, stored rows, reports."""

from experiments.harness.experiment import EXPERIMENTS, Experiment, load
from experiments.harness.report import Finding, Report
from experiments.harness.study import Measurements, Row, Study, Trial, command_of
from experiments.harness.trainings import Trainings

__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "Finding",
    "Measurements",
    "Report",
    "Row",
    "Study",
    "Trainings",
    "Trial",
    "command_of",
    "load",
]
