"""Division of runs into cohorts, each trained as one stacked model."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from mlc.backbones.base import trained_class
from mlc.config.errors import ConfigError
from mlc.config.schema import Config
from mlc.heads.base import HEADS
from mlc.training.defaults import resolve
from mlc.training.stacked import OPTIMIZERS

# Seconds per step, and per weight and row of it: fitted by python -m benchmarks.cohort_cost
OVERHEAD, PER_PRODUCT = 0.94e-3, 1.4e-10
# Assumed sizes of the data set. Reading it before the workers start could take minutes, and a cut
# depends only on the ratios of the costs.
_FEATURES, _LABELS, _LABEL_SETS, _ROWS = 100, 10, 100, 1000
# A cut must gain at least this share of the sweep's time.
_WORTH = 0.01
_TRIED = 100

# The seconds of a cohort of n runs of kind k: cost(k, n).
Cost = Callable[[int, int], float]
# A cohort's kind and number of runs.
Piece = tuple[int, int]


def cohort_key(config: Config) -> str:
    """Return a key; runs with equal keys can share a cohort: same data, shape, head and batch size.

    A backbone or an optimizer that is not stacked trains each run alone.
    """
    backbone, optimizer = trained_class(config.backbone), OPTIMIZERS[config.optimizer.name]
    if not (backbone.stacked and optimizer.stacked):
        return repr(config)
    shared = [
        vars(config.data),
        _without(config.backbone, backbone.per_run),
        vars(config.head),
        _without(config.optimizer, (*optimizer.per_run, "schedule")),
        _without(config.trainer, ("monitor", "patience")),
        config.device,
        config.threads,
        config.report.limits,
        # With split_seed=null each seed has other test rows, and heads know all but the test rows.
        config.seed if getattr(config.data, "split_seed", 0) is None else None,
    ]
    return repr(shared)


def cohorts(configs: Sequence[Config], max_runs: int, n_workers: int) -> list[list[int]]:
    """Return the indices of the runs of each cohort, the longest cohort first.

    Runs with one key stay together, at most `max_runs` of them, unless the sweep is predicted to
    end earlier when they are divided among the workers.
    """
    alike: dict[str, list[int]] = {}
    # An optimiser updates neighbours with the same rates faster.
    for index, config in sorted(enumerate(configs), key=lambda run: repr(vars(run[1].optimizer))):
        alike.setdefault(cohort_key(config), []).append(index)
    kinds = list(alike.values())
    work = [run_seconds(configs[indices[0]]) for indices in kinds]

    def cost(kind: int, n_runs: int) -> float:
        fixed, each = work[kind]
        return fixed + n_runs * each

    groups, taken = [], [0] * len(kinds)
    for kind, n_runs in cut([len(indices) for indices in kinds], cost, max_runs, n_workers):
        groups.append(kinds[kind][taken[kind] : taken[kind] + n_runs])
        taken[kind] += n_runs
    return groups


def run_seconds(config: Config) -> tuple[float, float]:
    """Predict the seconds of training a cohort: a fixed number, and a number for each run."""
    config = resolve(config)
    n_rows = getattr(config.data, "n_train", _ROWS)
    n_steps = config.trainer.max_epochs * max(1, n_rows / config.trainer.batch_size)
    return n_steps * OVERHEAD, n_steps * PER_PRODUCT * config.trainer.batch_size * n_weights(config)


def n_weights(config: Config) -> int:
    """Return the approximate number of weights of a run, with assumed values for unknown sizes."""
    n_labels = getattr(config.data, "n_labels", _LABELS)
    options = config.backbone
    widths = [getattr(config.data, "n_features", _FEATURES)]
    hidden_widths = getattr(options, "widths", None)
    widths += [getattr(options, "width", _FEATURES)] if hidden_widths is None else hidden_widths
    hidden = sum(before * after for before, after in pairwise(widths))
    if getattr(options, "separate", False):
        hidden *= n_labels
    try:
        n_outputs = HEADS[config.head.name].count_outputs(n_labels, config.head)
    except ConfigError:  # The number depends on the labels.
        n_outputs = _LABEL_SETS
    return int(hidden + widths[-1] * n_outputs)


def cut(sizes: Sequence[int], cost: Cost, max_runs: int, n_workers: int) -> list[Piece]:
    """Divide `sizes[k]` runs of each kind k into cohorts that minimise the time of the last worker.

    A kind is one cohort, as far as `max_runs` allows, unless a cut makes the end strictly earlier.

    Returns:
        The cohorts in the order in which the workers take them: the longest first.
    """
    best = uncut = _even(sizes, [max_runs] * len(sizes))
    for pieces in (uncut, _level(sizes, cost, max_runs, n_workers)):
        refined = _refine(pieces, cost, n_workers)
        if end(refined, cost, n_workers) < (1 - _WORTH) * end(best, cost, n_workers):
            best = refined
    return sorted(best, key=lambda piece: -cost(*piece))


def end(pieces: Sequence[Piece], cost: Cost, n_workers: int) -> float:
    """Return when the last worker ends, if each takes the longest cohort that is left."""
    return max(_ends(pieces, cost, n_workers)[0], default=0.0)


def _ends(pieces: Sequence[Piece], cost: Cost, n_workers: int) -> tuple[list[float], list[int]]:
    """Return when each worker ends, and the worker of each cohort."""
    costs = [cost(*piece) for piece in pieces]
    workers, taken = [(0.0, worker) for worker in range(n_workers)], [0] * len(pieces)
    for index in sorted(range(len(pieces)), key=lambda index: -costs[index]):
        until, taken[index] = workers[0]
        heapq.heapreplace(workers, (until + costs[index], taken[index]))
    ends = {worker: until for until, worker in workers}
    return [ends[worker] for worker in range(n_workers)], taken


def _even(sizes: Sequence[int], limits: Sequence[int]) -> list[Piece]:
    """Cut each kind into the fewest cohorts of at most its limit, of about equal sizes."""
    pieces = []
    for kind, (size, limit) in enumerate(zip(sizes, limits, strict=True)):
        base, more = divmod(size, -(-size // limit))
        pieces += [(kind, base + (number < more)) for number in range(-(-size // limit))]
    return pieces


def _level(sizes: Sequence[int], cost: Cost, max_runs: int, n_workers: int) -> list[Piece]:
    """Return the best cut among those in which no cohort takes longer than a given time."""
    best = _even(sizes, [max_runs] * len(sizes))
    earliest = end(best, cost, n_workers)
    longest_run = max((cost(kind, 1) for kind in range(len(sizes))), default=0.0)
    for longest in _times(sizes, cost, max_runs):
        limits = [
            next((n for n in range(min(size, max_runs), 1, -1) if cost(kind, n) <= longest), 1)
            for kind, size in enumerate(sizes)
        ]
        pieces = _even(sizes, limits)
        # The time if all workers ended at once, a lower bound that grows with the number of cohorts.
        together = sum(cost(*piece) for piece in pieces) / n_workers
        if max(together, longest_run) >= (1 - _WORTH) * earliest:
            break
        if (until := end(pieces, cost, n_workers)) < earliest:
            best, earliest = pieces, until
    return best


def _times(sizes: Sequence[int], cost: Cost, max_runs: int) -> list[float]:
    """Return the times that a cohort can take, from the longest."""
    times = sorted(
        {cost(k, n + 1) for k, size in enumerate(sizes) for n in range(min(size, max_runs))}
    )
    # Large sweeps try a sample of the times.
    return times[:: -max(1, len(times) // _TRIED)]


def _refine(pieces: list[Piece], cost: Cost, n_workers: int) -> list[Piece]:
    """Cut a cohort of the worker that ends last in two, as long as that makes the end earlier."""
    while True:
        ends, taken = _ends(pieces, cost, n_workers)
        earliest, best = max(ends), pieces
        if sum(ends) / n_workers >= (1 - _WORTH) * earliest:
            return pieces
        last = ends.index(earliest)
        # Of several equal cohorts, only one is tried.
        tried = Counter(
            piece for piece, worker in zip(pieces, taken, strict=True) if worker == last
        )
        for kind, n_runs in tried:
            rest = list(pieces)
            rest.remove((kind, n_runs))
            for part in range(1, n_runs // 2 + 1):
                changed = [*rest, (kind, part), (kind, n_runs - part)]
                if (until := end(changed, cost, n_workers)) < earliest:
                    earliest, best = until, changed
        if best is pieces:
            return pieces
        pieces = best


def _without(options: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name not in names}
