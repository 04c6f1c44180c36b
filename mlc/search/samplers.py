"""Samplers that learn from the trials before: Optuna's, by its ask-and-tell interface."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlc.config.errors import ConfigError, RunFolderError
from mlc.config.options import Choice, Interval, Search
from mlc.runs.ownership import JOURNAL
from mlc.search.draws import as_text, short
from mlc.search.files import Group
from mlc.search.metrics import higher_is_better
from mlc.search.options import SearchOptions

_CLASSES = {"tpe": "TPESampler", "gp": "GPSampler", "cmaes": "CmaEsSampler"}
# The packages that a sampler needs in addition to Optuna.
_NEEDS = {"cmaes": "cmaes"}
# These learn only from options that all trials before have.
_NEED_ALL_OPTIONS = ("gp", "cmaes")
_TRIAL = "trial"


class Studies:
    """Optuna's studies of a search, one for each group, stored in the sweep's folder.

    The draws of a study depend on the trials of its group before, on the seed of the search and on the
    number of the trial: a search that was stopped continues with the same draws.

    Args:
        folder: the sweep's folder.
        options: the options of the search.

    Raises:
        ConfigError: Optuna is not installed.
        RunFolderError: the studies in the folder cannot be read.
    """

    def __init__(self, folder: Path, options: SearchOptions) -> None:
        self._optuna = _import_optuna(options.sampler)
        self._options = options
        self._path = folder / JOURNAL
        storages = self._optuna.storages
        with _content_of(self._path):
            backend = storages.journal.JournalFileBackend(str(self._path))
            self._storage = storages.JournalStorage(backend)
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
                self._add_defaults(study, group, value)
        elif not asked.state.is_finished():
            outcome = (None, states.FAIL) if failed else (value, None)
            study.tell(asked.number, *outcome)

    def _study(self, group: Group) -> Any:
        if group.key not in self._studies:
            higher = higher_is_better(self._options.metric)
            with _content_of(self._path):
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

    def _add_defaults(self, study: Any, group: Group, value: float | None) -> None:
        """Add trial 0 to a study, with the defaults that lie in their spaces."""
        params, distributions = {}, {}
        for key, distribution in self._distributions(group.spaces).items():
            space, default = group.spaces[key], group.defaults[key]
            param = as_text(default) if isinstance(space, Choice) else default
            if param is not None and _contains(distribution, param):
                params[key], distributions[key] = param, distribution
        if self._options.sampler in _NEED_ALL_OPTIONS and len(params) < len(group.spaces):
            return
        study.add_trial(
            self._optuna.trial.create_trial(
                params=params, distributions=distributions, value=value, user_attrs={_TRIAL: 0}
            )
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
        import optuna.storages.journal
    except ImportError as error:
        raise ConfigError(
            f"hydra.sweeper.sampler={sampler} needs Optuna ({error}): pip install 'optuna>=4', or"
            " search with hydra.sweeper.sampler=random."
        ) from error
    # Optuna warns of each option that a sampler draws independently, such as words under CMA-ES.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def _content_of(path: Path) -> Iterator[None]:
    """Name the file of the studies in errors; a damaged line makes Optuna raise many kinds."""
    try:
        yield
    except Exception as error:
        raise RunFolderError(
            f"{path} is not what Optuna wrote ({type(error).__name__}: {error}): delete it, and the"
            " sampler learns again from the runs in the folder."
        ) from error


def _find(study: Any, trial: int) -> Any:
    """Return the study's trial with this number in the search; None if there is none."""
    trials = study.get_trials(deepcopy=False)
    return next((each for each in trials if each.user_attrs.get(_TRIAL) == trial), None)


def _distribution(optuna: Any, space: Search) -> Any:
    distributions = optuna.distributions
    if isinstance(space, Choice):
        return distributions.CategoricalDistribution([as_text(value) for value in space.values])
    is_whole = space.step is not None and all(
        float(number).is_integer() for number in (space.low, space.step)
    )
    if is_whole:
        return distributions.IntDistribution(
            int(space.low), int(space.high), log=space.log, step=int(space.step or 1)
        )
    return distributions.FloatDistribution(space.low, space.high, log=space.log, step=space.step)


def _contains(distribution: Any, value: Any) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False


def _text(space: Search, value: Any) -> str:
    return as_text(short(value, space) if isinstance(space, Interval) else value)
