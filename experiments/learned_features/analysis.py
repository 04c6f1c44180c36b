"""The experiment on learned features."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.harness import Experiment, Report
from experiments.learned_features.coloured import Coloured, ThreeNetworks
from experiments.learned_features.dials import Dials, settings
from experiments.learned_features.outcomes import LeagueLeads, Properties
from experiments.learned_features.studies import STUDIES


class LearnedFeatures(Experiment):
    """The experiment that compares heads on learned features, and asks what decides."""

    name = "learned_features"
    studies = (
        LeagueLeads(),
        Properties(settings()),
        *STUDIES,
        Coloured(),
        ThreeNetworks(),
        Dials(),
    )

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report."""
        return Report()


EXPERIMENT = LearnedFeatures()
