"""Samplers that learn from the trials before: Optuna's, by its ask-and-tell interface."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlc.config.errors import ConfigError
from mlc.config.options import Choice, Interval, Search
from mlc.search.draws import as_text, short
from mlc.search.files import JOURNAL, Group
from mlc.search.metrics import higher_is_better
from mlc.search.options import SearchOptions

_CLASSES = {"tpe": "TPESampler", "gp": "GPSampler", "cmaes": "CmaEsSampler"}
# What a sampler needs beside Optuna.
_NEEDS = {"cmaes": "cmaes"}
_TRIAL = "trial"


class Studies:
    """Optuna's studies of a search, one for each group, stored in the sweep's folder.

    What a study draws depends on its group's trials before, on the search's seed and on the trial's
    number: a search that was stopped goes on with the same draws.

    Args:
        folder: of the sweep.
        options: of the search.

    Raises:
        ConfigError: Optuna, or what the sampler needs, is not installed.
    """

    def __init__(self, folder: Path, options: SearchOptions) -> None:
        self._optuna = _import_optuna(options.sampler)
        self._options = options
        backend = self._optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
        self._storage = self._optuna.storages.JournalStorage(backend)
        self._studies: dict[tuple[str, ...], Any] = {}

    def ask(self, group: Group, trial: int) -> dict[str, str]:
        """Return a trial's values as text, the same when asked again; none for trial 0."""
        if trial == 0 or not group.spaces:
            return {}
        study = self._study(group)
        asked = _find(study, trial)
        if asked is None:
            study.sampler = self._sampler(trial)
            asked = study.ask(self._distributions(group.spaces))
            asked.set_user_attr(_TRIAL, trial)
        return {key: _text(space, asked.params[key]) for key, space in group.spaces.items()}

    def tell(self, group: Group, trial: int, value: float | None) -> None:
        """Report the value of a trial; None for a trial that failed."""
        study = self._study(group)
        states = self._optuna.trial.TrialState
        failed = value is None or not math.isfinite(value)
        asked = _find(study, trial)
        if asked is None:
            if trial == 0 and not failed:
                study.add_trial(self._of_defaults(group, value))
        elif not asked.state.is_finished():
            told = (None, states.FAIL) if failed else (value, None)
            study.tell(asked.number, *told)

    def _study(self, group: Group) -> Any:
        if group.key not in self._studies:
            higher = higher_is_better(self._options.metric)
            self._studies[group.key] = self._optuna.create_study(
                study_name=" ".join(group.key),
                storage=self._storage,
                direction="maximize" if higher else "minimize",
                load_if_exists=True,
            )
        return self._studies[group.key]

    def _sampler(self, trial: int) -> Any:
        digest = hashlib.sha256(f"{self._options.seed}/{trial}".encode()).digest()
        create = getattr(self._optuna.samplers, _CLASSES[self._options.sampler])
        return create(seed=int.from_bytes(digest[:4], "big"))

    def _of_defaults(self, group: Group, value: float | None) -> Any:
        """Return trial 0 with those of its values that lie in their spaces."""
        params, distributions = {}, {}
        for key, distribution in self._distributions(group.spaces).items():
            space, default = group.spaces[key], group.defaults[key]
            given = as_text(default) if isinstance(space, Choice) else default
            if given is not None and _contains(distribution, given):
                params[key], distributions[key] = given, distribution
        return self._optuna.trial.create_trial(
            params=params, distributions=distributions, value=value, user_attrs={_TRIAL: 0}
        )

    def _distributions(self, spaces: Mapping[str, Search]) -> dict[str, Any]:
        return {key: _distribution(self._optuna, space) for key, space in spaces.items()}


def require_sampler(options: SearchOptions) -> None:
    """Raise ConfigError if the sampler needs a package that is not installed."""
    if options.sampler not in _CLASSES:
        return
    _import_optuna(options.sampler)
    package = _NEEDS.get(options.sampler)
    if package is not None and find_spec(package) is None:
        raise ConfigError(
            f"hydra.sweeper.sampler={options.sampler} needs the package {package}: pip install"
            f" {package}, or search with hydra.sweeper.sampler=random."
        )


def _import_optuna(sampler: str) -> Any:
    try:
        import optuna
        from optuna.storages import journal
    except ImportError as error:
        raise ConfigError(
            f"hydra.sweeper.sampler={sampler} needs Optuna ({error}): pip install 'optuna>=4', or"
            " search with hydra.sweeper.sampler=random."
        ) from error
    assert journal is optuna.storages.journal
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _find(study: Any, trial: int) -> Any:
    """Return the study's trial of this number of the search; None if there is none."""
    for each in study.get_trials(deepcopy=False):
        if each.user_attrs.get(_TRIAL) == trial:
            return each
    return None


def _distribution(optuna: Any, space: Search) -> Any:
    of = optuna.distributions
    if isinstance(space, Choice):
        return of.CategoricalDistribution([as_text(value) for value in space.values])
    is_whole = space.step is not None and all(
        float(number).is_integer() for number in (space.low, space.step)
    )
    if is_whole:
        return of.IntDistribution(
            int(space.low), int(space.high), log=space.log, step=int(space.step or 1)
        )
    return of.FloatDistribution(space.low, space.high, log=space.log, step=space.step)


def _contains(distribution: Any, value: Any) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False


def _text(space: Search, value: Any) -> str:
    return as_text(short(value, space) if isinstance(space, Interval) else value)
