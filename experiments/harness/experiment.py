"""An experiment: its studies, and the report that is made from their rows."""

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
    """One question of the forums.

    Class attributes:
        name: of its folder.
        studies: what is measured.
    """

    name: ClassVar[str]
    studies: ClassVar[tuple[Study, ...]]

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Tables, figures and findings, from each study's rows and nothing else."""
        raise NotImplementedError


def load(name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in EXPERIMENTS:
        raise ConfigError(
            f"There is no experiment {name!r}: choose among {', '.join(EXPERIMENTS)}."
        )
    experiment: Experiment = import_module(f"experiments.{name}.analysis").EXPERIMENT
    return experiment
