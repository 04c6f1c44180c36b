"""The linear models and constants that stand beside the heads of a comparison."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.comparing.candidates import Candidate
from mlc.comparing.intervals import Part
from mlc.comparing.linear import CONSTANT, Baseline, fit_baselines, natural_threshold
from mlc.comparing.row_values import row_values
from mlc.config.errors import RunFolderError
from mlc.config.texts import counted
from mlc.data.base import SOURCES, Dataset
from mlc.data.splits import Split
from mlc.files.names import SPLIT
from mlc.files.reading import read_arrays
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.collect import Results
from mlc.runs.loading import config_of


@dataclass(frozen=True)
class Rivals:
    """The linear models and constants of a comparison, with the data that they are judged on.

    Attributes:
        baselines: the models.
        dataset: the data.
        splits: by seed.
    """

    baselines: list[Baseline]
    dataset: Dataset
    splits: dict[int, Split]

    def candidates(self, metric: str) -> dict[str, list[Candidate]]:
        """The candidates by name: constants first, then linear models by validation values."""
        sign = COUNT_METRICS[metric].sign
        found = {
            each.name: self._candidates(each, metric) for each in self.baselines if each.validation
        }
        ranked = sorted(found, key=lambda name: -sign * found[name][0].validation)
        return {name: found[name] for name in [*CONSTANT, *ranked] if name in found}

    def parts(self, candidate: Candidate, seeds: Sequence[int], metric: str) -> list[Part]:
        """The test rows of a candidate, one part for each seed."""
        baseline = self._of(candidate.head)
        return [self._part(baseline, candidate.rule, seed, metric) for seed in seeds]

    def _part(self, baseline: Baseline, rule: str, seed: int, metric: str) -> Part:
        rows = np.asarray(self.splits[seed].test)
        decided = baseline.decisions[rule][seed]
        return Part(rows, row_values(metric, decided, self.dataset.targets[rows]))

    @property
    def seconds(self) -> dict[str, float]:
        """Of fitting each model once, by name."""
        return {each.name: each.seconds for each in self.baselines}

    def learned(self, candidate: Candidate) -> list[dict[str, Any]]:
        """What the rule of a candidate learned on each split."""
        return list(self._of(candidate.head).learned.get(candidate.rule, {}).values())

    def decisions(self, candidate: Candidate) -> list[NDArray[np.bool_]]:
        """The label sets of the test rows of each split."""
        return list(self._of(candidate.head).decisions[candidate.rule].values())

    def test_scores(self, candidate: Candidate) -> list[NDArray[np.floating]]:
        """The scores of the test rows of each split."""
        return list(self._of(candidate.head).scores.values())

    def test_targets(self) -> list[NDArray[np.bool_]]:
        """The targets of the test rows of each split."""
        return [self.dataset.targets[split.test] for split in self.splits.values()]

    def natural(self, candidate: Candidate) -> float | None:
        """The natural threshold of a model's scores for a rule."""
        return natural_threshold(candidate.head, candidate.rule)

    def _of(self, name: str) -> Baseline:
        return next(each for each in self.baselines if each.name == name)

    def _candidates(self, baseline: Baseline, metric: str) -> list[Candidate]:
        """The candidates of one model, that of the best validation value first."""
        sign = COUNT_METRICS[metric].sign
        settings = {} if baseline.strength is None else {"C": f"{baseline.strength:g}"}
        found = []
        for rule, of_validation in baseline.validation.items():
            values = {
                seed: (value, float(self._part(baseline, rule, seed, metric).values.mean()))
                for seed, value in of_validation.items()
            }
            validation, test = np.array(list(values.values())).mean(axis=0)
            found.append(
                Candidate(
                    baseline.name, rule, 0, settings, float(validation), float(test), {}, values
                )
            )
        return sorted(found, key=lambda candidate: -sign * candidate.validation)


def find_rivals(
    results: Results,
    metric: str,
    dataset: Dataset | None = None,
    searched: Collection[int] = (),
) -> Rivals | None:
    """Fit linear models and constants on the splits of a search's runs; None if no run has finished.

    Args:
        results: of the search, on one data set.
        metric: the metric that chooses C.
        dataset: the data; None loads them as the runs did.
        searched: the seeds that choose C; all where there are none.

    Raises:
        RunFolderError: the data have other rows than those of the runs.
    """
    if not results.folders:
        return None
    folders = {results.statuses[run]["seed"]: folder for run, folder in results.folders.items()}
    splits = {seed: _split(read_arrays(folders[seed] / SPLIT)) for seed in sorted(folders)}
    stored = next(iter(results.statuses.values()))["config"]
    if dataset is None:
        options = config_of(stored).data
        dataset = SOURCES[options.name].load(options)
    n_rows = 1 + max(
        int(rows.max()) for split in splits.values() for rows in split.parts().values()
    )
    if n_rows > dataset.n_samples:
        raise RunFolderError(
            f"The data have {counted(dataset.n_samples, 'row')}, and the runs more: give the file"
            f" that they had."
        )
    rules = {
        rule: {key: value for key, value in stored["decision"][rule].items() if key != "name"}
        for rule in stored["decisions"]
    }
    seeds = [seed for seed in splits if seed in searched] or list(splits)
    return Rivals(fit_baselines(dataset, splits, metric, rules, seeds), dataset, splits)


def _split(stored: Any) -> Split:
    return Split(stored["train"], stored["val"], stored["test"])
