"""An experiment: its studies, and the report on their rows."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import pandas as pd

from experiments.harness.report import Report
from experiments.harness.study import Study
from mlc.config.errors import ConfigError

ROOT = Path(__file__).parent.parent
EXPERIMENTS = sorted(path.parent.name for path in ROOT.glob("*/analysis.py"))


class Experiment:
    """An experiment on one question.

    Class attributes:
        name: of its folder.
        studies: the measurements.
    """

    name: ClassVar[str]
    studies: ClassVar[tuple[Study, ...]]

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Return tables, figures and findings, computed only from the rows of each study."""
        raise NotImplementedError

    def report_from(self, folder: Path, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Return the report on the rows and on other files of the studies in the folder."""
        return self.report(frames)


def load(name: str) -> Experiment:
    """Return the experiment with a name.

    Raises:
        ConfigError: there is no such experiment.
    """
    if name not in EXPERIMENTS:
        raise ConfigError(
            f"There is no experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}."
        )
    experiment: Experiment = import_module(f"experiments.{name}.analysis").EXPERIMENT
    return experiment
