"""A search: it draws trials, launches them, and reports their values to a sampler that learns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from mlc.launching.checks import sweep_overrides
from mlc.launching.ending import FolderJobReturn
from mlc.launching.search_plan import Planned, plan, seeds_of
from mlc.launching.search_request import Request, read_request
from mlc.reporting.collect import collect
from mlc.reporting.searching import searched, trial_value
from mlc.runs.ownership import MULTIRUN
from mlc.search.draws import configuration
from mlc.search.files import Record, read_record, write_record
from mlc.search.options import RANDOM, SearchOptions
from mlc.search.samplers import Studies

if TYPE_CHECKING:
    from hydra_plugins.mlc_search_sweeper import SearchSweeper

# A group's index, the trial's number and the overrides of one job.
Job = tuple[int, int, list[str]]


def search(sweeper: SearchSweeper) -> list[Sequence[JobReturn]]:
    """Launch all trials of all groups; return the results of each launch.

    A failed run does not end the search; its trial cannot be chosen. If all runs of a group fail, the
    search fails.

    Raises:
        ConfigError: the search cannot be planned.
        RunFolderError: the folder holds another search.
        Exception: the error of a group's first run, if all its runs failed.
    """
    config, context = sweeper.config, sweeper.hydra_context
    assert config is not None
    assert context is not None
    request = read_request(config, sweep_overrides(config))
    assert request is not None
    planned = plan(request, context.config_loader, config)
    folder = Path(config.hydra.sweep.dir)
    _record(folder, request, planned, config)
    draw: Drawer = _random(planned, request.options)
    batches = [range(request.options.n_trials)]
    studies = None
    if request.options.sampler != RANDOM:
        studies = Studies(folder, request.options)
        draw, batches = _learning(planned, studies), list(_batches(request.options))
    returns: list[Sequence[JobReturn]] = []
    results: list[tuple[int, JobReturn]] = []
    for trials in batches:
        jobs = _jobs(request, planned, trials, draw)
        returns.append(_launch(sweeper, jobs, len(results)))
        results += [(group, each) for (group, *_), each in zip(jobs, returns[-1], strict=True)]
        if studies is not None:
            _tell(studies, planned, jobs, returns[-1], request.options.metric)
    _raise_where_all_failed(results)
    further = _further_jobs(folder, planned, request.more_seeds(config.seed), draw)
    if further:
        returns.append(_launch(sweeper, further, len(results)))
    return returns


def _launch(sweeper: SearchSweeper, jobs: Sequence[Job], first: int) -> Sequence[JobReturn]:
    """Launch jobs, of which the first has this number."""
    overrides = [job for _, _, job in jobs]
    # Errors of composing are found before any training.
    sweeper.validate_batch_is_legal(overrides)
    assert sweeper.launcher is not None
    ended: Sequence[JobReturn] = sweeper.launcher.launch(overrides, initial_job_idx=first)
    return ended


# Returns the drawn values of a group's trial, by key.
Drawer = Callable[[int, int], dict[str, str]]


def _random(planned: Sequence[Planned], options: SearchOptions) -> Drawer:
    return lambda group, trial: configuration(planned[group].group.spaces, options.seed, trial)


def _learning(planned: Sequence[Planned], studies: Studies) -> Drawer:
    return lambda group, trial: studies.ask(planned[group].group, trial)


def _batches(options: SearchOptions) -> Iterator[range]:
    """Yield the trials of each launch, `options.batch` at a time."""
    for start in range(0, options.n_trials, options.batch):
        yield range(start, min(start + options.batch, options.n_trials))


def _jobs(
    request: Request, planned: Sequence[Planned], trials: Sequence[int], draw: Drawer
) -> list[Job]:
    seeds = seeds_of(request)
    return [
        (index, trial, group.job(trial, drawn, seed))
        for index, group in enumerate(planned)
        for trial in trials
        for drawn in [draw(index, trial)]
        for seed in seeds
    ]


def _further_jobs(
    folder: Path, planned: Sequence[Planned], seeds: Sequence[int], draw: Drawer
) -> list[Job]:
    """Return the jobs of each group's chosen trial with the seeds that follow those of the search."""
    found = searched(folder, collect(folder)) if seeds else None
    jobs = []
    for index, each in enumerate(planned):
        choice = None if found is None else found.choice_of(each.group)
        if choice is None or choice.trial is None:
            continue
        drawn = draw(index, choice.trial)
        jobs += [(index, choice.trial, each.job(choice.trial, drawn, f"seed={s}")) for s in seeds]
    return jobs


def _record(folder: Path, request: Request, planned: Sequence[Planned], config: DictConfig) -> None:
    """Write what the search draws from, after a comparison with an earlier launch in the folder."""
    groups, options = [each.group for each in planned], request.options
    seeds = request.searched_seeds(config.seed)
    record = Record(options.seed, options.sampler, options.metric, options.n_trials, groups, seeds)
    before = read_record(folder)
    if before is not None:
        record = record.continued(before, folder)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / MULTIRUN)
    write_record(folder, record)


def _tell(
    studies: Studies,
    planned: Sequence[Planned],
    jobs: Sequence[Job],
    ended: Sequence[JobReturn],
    metric: str,
) -> None:
    """Report the mean validation value of each trial of a batch to its study."""
    folders: dict[tuple[int, int], list[Path]] = {}
    for (group, trial, _), result in zip(jobs, ended, strict=True):
        folders.setdefault((group, trial), []).append(_folder(result))
    for (group, trial), runs in folders.items():
        studies.tell(planned[group].group, trial, trial_value(runs, metric))


def _folder(result: JobReturn) -> Path:
    if isinstance(result, FolderJobReturn) and result.folder is not None:
        return result.folder
    hydra_config: Any = result.hydra_cfg
    return Path(hydra_config.hydra.runtime.output_dir)


def _raise_where_all_failed(results: Sequence[tuple[int, JobReturn]]) -> None:
    succeeded = {group for group, each in results if each.status != JobStatus.FAILED}
    for group, each in results:
        if group not in succeeded:
            _ = each.return_value  # raises the error of the run
