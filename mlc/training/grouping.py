"""Which runs can be trained as one stacked model, and how many of them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mlc.backbones.base import BACKBONES
from mlc.config.schema import Config
from mlc.training.stacked import OPTIMIZERS

_PLENTY = 4  # kinds of runs for each worker


def cohort_key(config: Config) -> str:
    """Runs with the same key can be trained as one: same data, shape, head and batch size.

    A backbone that is not stacked trains each run alone.
    """
    backbone, optimizer = BACKBONES[config.backbone.name], OPTIMIZERS[config.optimizer.name]
    if not backbone.stacked:
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
    ]
    return repr(shared)


def cohorts(configs: Sequence[Config], max_runs: int, n_workers: int) -> list[list[int]]:
    """The runs' places, those with one cohort key together, cut so that every worker has a share.

    With many keys, only as `max_runs` asks.
    """
    alike: dict[str, list[int]] = {}
    # Runs with the same rates side by side, for an optimiser updates such neighbours faster.
    for place, config in sorted(enumerate(configs), key=lambda own: repr(vars(own[1].optimizer))):
        alike.setdefault(cohort_key(config), []).append(place)
    groups = []
    # Where there is enough for every worker anyway, what can be trained together is.
    n_shares = 1 if len(alike) >= _PLENTY * n_workers else n_workers
    for places in alike.values():
        n_groups = max(-(-len(places) // max_runs), min(n_shares, len(places)))
        base, more = divmod(len(places), n_groups)
        starts = [number * base + min(number, more) for number in range(n_groups + 1)]
        groups += [places[start:end] for start, end in pairwise(starts)]
    # Long ones first, so that no worker waits for the last.
    return sorted(groups, key=len, reverse=True)


def _without(options: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name not in names}
