"""How a comparison is planned by the data and the time, and the plan in words."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlc.comparing.budgets import BUDGETS
from mlc.comparing.plan import (
    LONGEST,
    SHORTEST,
    Plan,
    chosen_heads,
    profile_of,
    rule_overrides,
    suitable_rules,
    within,
)
from mlc.comparing.sentences import duration
from mlc.comparing.shorter import Work
from mlc.comparing.timing import Cost, LinearCost, cost_by_head, expected_seconds, linear_cost
from mlc.config.schema import Config, parse
from mlc.config.texts import counted, fold, span
from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.launching.composing import composed
from mlc.launching.workers import n_cores
from mlc.training.assembly import device_of
from mlc.training.defaults import kind_of, resolve

_WIDTH = 80
# The share of a core below which the machine is called busy.
_BUSY = 0.8
# A comparison that takes so many times the minutes that its budget wishes for says what shortens it.
_FAR_LONGER = 2


def plan_comparison(
    arguments: argparse.Namespace,
    chosen: Sequence[str],
    dataset: Dataset,
    split: Split,
    with_linear: bool,
) -> Plan:
    """Choose heads and rules by the training rows, and the size by a timed first piece of each head.

    Args:
        arguments: of the command line.
        chosen: the overrides of the data, and further settings.
        dataset: the data.
        split: of the first seed.
        with_linear: whether linear models are compared too.

    Raises:
        ConfigError: a head does not suit the data, or nothing fits into the minutes.
    """
    profile = profile_of(dataset.targets[split.train])
    rules = suitable_rules(arguments.metric, profile)
    settings = ["experiment=which_head", *chosen, *rule_overrides(arguments.metric, rules)]
    backbone = parse(composed(settings)).backbone.name
    heads = chosen_heads(arguments.heads, profile, backbone)
    kind = kind_of(dataset, split.train)
    configs = {head: resolve(parse(composed([*settings, f"head={head}"])), kind) for head in heads}
    started = time.perf_counter(), time.process_time()
    costs = cost_by_head(configs, dataset, split)
    linear = linear_cost(dataset, split) if with_linear else LinearCost()
    wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
    uses_device = device_of(next(iter(configs.values())).device).type != "cpu"
    free = 1.0 if uses_device else min(1.0, cpu / wall)

    work = work_of(arguments, configs, costs, linear, dataset)

    def seconds(n_trials: int, n_splits: int, n_more: int) -> float:
        return expected_seconds(costs.values(), n_trials, n_splits, n_more, work.n_workers, linear)

    def seconds_alone(n_trials: int, n_splits: int, n_more: int) -> float:
        return free * seconds(n_trials, n_splits, n_more)

    # A budget has the same size on a busy machine, and takes longer there; minutes are those of a clock.
    judged = seconds_alone if arguments.minutes is None else seconds
    budget = BUDGETS[arguments.budget]
    size = within(budget, arguments.minutes, judged, work.ways_to)
    n_trials, n_splits, n_more = size
    each = {head: free * (cost.fixed + cost.each) for head, cost in costs.items()}
    shorter: list[str] = []
    if arguments.minutes is None and budget.minutes is not None:
        limit = 60 * budget.minutes
        if seconds_alone(*size) > _FAR_LONGER * limit:
            shorter = work.ways_to(limit / free)
    return Plan(
        heads, tuple(rules), n_trials, n_splits, seconds(*size), n_more, each, free, tuple(shorter)
    )


def work_of(
    arguments: argparse.Namespace,
    configs: Mapping[str, Config],
    costs: Mapping[str, Cost],
    linear: LinearCost,
    dataset: Dataset,
) -> Work:
    """The work of the comparison, with what its time depends on."""
    key = "hydra.launcher.n_workers="
    given = [s.removeprefix(key) for s in arguments.settings if s.startswith(key)]
    n_workers = int(given[-1]) if given and given[-1].isdecimal() else 0
    by_pixels = len(dataset.sample_shape) == 3 and all(
        config.backbone.name == "cnn" for config in configs.values()
    )
    return Work(
        costs,
        linear,
        n_workers or n_cores(),
        max(config.trainer.max_epochs for config in configs.values()),
        dataset.n_samples,
        max(dataset.sample_shape[1:]) if by_pixels else 0,
    )


def plan_text(plan: Plan, folder: Path, arguments: argparse.Namespace) -> str:
    """The plan for a terminal: what is trained, what decided that, how long it takes, and each head."""
    low, high = (duration(share * plan.seconds) for share in (SHORTEST, LONGEST))
    further = (
        f", and the best one of each on {counted(plan.n_more, 'further split')}"
        if plan.n_more
        else ""
    )
    text = (
        f"{counted(plan.n_runs, 'network')}: {counted(plan.n_trials, 'configuration')} of each of"
        f" {counted(len(plan.heads), 'head')}, the same draws for all, on"
        f" {counted(plan.n_splits, 'split')}{further};"
        f" chosen by {arguments.metric} on validation rows under the rules {', '.join(plan.rules)}."
        f" {_size_text(plan, arguments)} It takes about {span(low, high)} on this machine; interrupted,"
        f" the same command goes on.{_shorter_text(plan, arguments)} All files are in {folder}."
    )
    lines = fold(text, _WIDTH)
    for head, reason in plan.heads.items():
        first, *more = fold(f"{head}: {reason}", _WIDTH - 2)
        lines += [f"  {first}", *(f"    {line}" for line in more)]
    return "\n" + "\n".join(lines) + "\n"


def _shorter_text(plan: Plan, arguments: argparse.Namespace) -> str:
    """What brings a long comparison to the minutes of its budget."""
    minutes = BUDGETS[arguments.budget].minutes
    if not plan.shorter or minutes is None:
        return ""
    are = "is" if minutes == 1 else "are"
    return f" About {counted(minutes, 'minute')} {are} enough with {', or '.join(plan.shorter)}."


def _size_text(plan: Plan, arguments: argparse.Namespace) -> str:
    """What decided the size of the comparison."""
    budget = BUDGETS[arguments.budget]
    full = (budget.n_trials, budget.n_splits, budget.n_more)
    is_full = (plan.n_trials, plan.n_splits, plan.n_more) == full
    timed = ""
    if plan.seconds_by_head:
        by_time = sorted(plan.seconds_by_head.items(), key=lambda item: item[1])
        fast, slow = by_time[0], by_time[-1]
        least, most = duration(fast[1]), duration(slow[1])
        range_ = least if least == most else f"{least} ({fast[0]}) to {most} ({slow[0]})"
        timed = f"one training takes {range_} of a core"
    if plan.free < _BUSY:
        timed += f", of which other processes leave {plan.free:.0%} now"
    minutes = budget.minutes if arguments.minutes is None else arguments.minutes
    if is_full or minutes is None:
        return f"That is all of --budget {arguments.budget}" + (f"; {timed}." if timed else ".")
    whole = (
        f"{counted(full[0], 'configuration')} on {counted(full[1], 'split')}, and"
        f" {counted(full[2], 'further split')}"
    )
    leave = "leaves" if minutes == 1 else "leave"
    return (
        f"--budget {arguments.budget} has {whole}, of which {counted(minutes, 'minute')} {leave}"
        f" room for these" + (f": {timed}." if timed else ".")
    )
