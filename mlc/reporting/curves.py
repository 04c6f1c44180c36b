"""Runs read for a TensorBoard view, and the events that a finished sweep adds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlc.config.errors import RunFolderError
from mlc.config.registry import DECISIONS
from mlc.files.names import EVENTS, METRICS, PREDICTIONS, PREPROCESSING, RULES, STATUS
from mlc.metrics.counts import COUNT_METRICS
from mlc.runs.folder import BEST_VALUE, read_status, read_stored
from mlc.tracking.figures import HeadFigure, draw_head
from mlc.tracking.hyperparameters import varying
from mlc.tracking.palette import styles
from mlc.tracking.tensorboard import chosen_rule
from mlc.tracking.view import (
    EXPERIMENT,
    FIGURES,
    PORT,
    ViewedRun,
    contestant,
    differing_settings,
    link,
    pinned_tags,
    write_experiment,
)


class Curves:
    """The runs of one or more sweeps, which may still be in progress.

    Args:
        sweeps: folders of the sweeps.
        pattern: regular expression; only runs whose path in the sweep matches are read.

    Raises:
        RunFolderError: a sweep is not a folder.
    """

    def __init__(self, sweeps: Sequence[Path], pattern: str = "") -> None:
        for sweep in sweeps:
            if not sweep.is_dir():
                raise RunFolderError(f"{sweep} is not a folder: give the folder of a sweep.")
        self._sweeps, self._pattern = sweeps, re.compile(pattern)
        self._finished: dict[Path, tuple[int, ViewedRun]] = {}
        self._monitors: dict[str, None] = {}
        self._followed: dict[str, None] = {}
        self._heads: set[str] = set()
        self._settings: set[str] = set()

    def read(self) -> list[ViewedRun]:
        """Read all runs that have started and not failed, in the order of their sweeps."""
        runs = []
        for sweep in self._sweeps:
            pairs = [
                run
                for path in sorted(sweep.rglob(STATUS))
                if self._pattern.search(path.parent.relative_to(sweep).as_posix())
                and (run := self._run(sweep, path.parent))
            ]
            runs += [run for _, run in sorted(pairs, key=lambda pair: pair[0])]
        self._heads.update(run.head for run in runs)
        self._settings.update(repr(sorted(run.settings.items())) for run in runs)
        return runs

    def link(self, address: str = f"http://127.0.0.1:{PORT}") -> str:
        """Return the address of the view on a server; call `read` first."""
        pinned = pinned_tags(list(self._monitors), list(self._followed))
        by_head = len(self._heads) > 1 or len(self._settings) == 1
        return link(address, pinned, by_head=by_head)

    def _run(self, sweep: Path, folder: Path) -> tuple[int, ViewedRun] | None:
        if folder in self._finished:
            return self._finished[folder]
        status = read_status(folder)
        if status is None or status["state"] == "failed" or not any(folder.glob(f"{EVENTS}.*")):
            return None
        self._monitors[status["monitor"]] = None
        self._followed.update(dict.fromkeys(status["config"]["trainer"]["followed"]))
        run = viewed_run(folder, sweep.resolve().name, status)
        pair = status.get("index", 0), run
        if run.chosen is not None:
            self._finished[folder] = pair
        return pair


def viewed_run(folder: Path, sweep: str, status: Mapping[str, Any]) -> ViewedRun:
    """Build a run from its status, and from its results if it has finished."""
    facts = {key: status[key] for key in ("data", "head", "seed", "monitor")}
    config = status["config"]
    # If a rule is not registered, only the results of the finished run say what it was tuned on.
    known = {name: DECISIONS[name].tuned_on for name in config["decisions"] if name in DECISIONS}
    rule = chosen_rule(known or dict.fromkeys(config["decisions"], ""))
    tags = [f"test/{rule}/{name}" for name in config["report"]["metrics"]]
    run = ViewedRun(folder, sweep, **facts, settings=status["overrides"], tags=tags)
    if status["state"] != "completed":
        return run
    metrics, rules = read_stored(folder / METRICS), read_stored(folder / RULES)
    rule = chosen_rule({name: fitted["tuned_on"] for name, fitted in rules.items()})
    tags = [f"test/{rule}/{name}" for name in config["report"]["metrics"]]
    return replace(
        run,
        tags=tags,
        chosen=metrics["train/best_epoch"],
        value=metrics[BEST_VALUE],
        test={tag: metrics[tag] for tag in tags},
    )


def complete_curves(folder: Path, *, figures: bool) -> str:
    """Add the description of the HParams page and the figures to the events of a finished sweep.

    Args:
        folder: of the sweep.
        figures: whether to draw figures of each head.

    Returns:
        The link to the sweep's view; empty if no finished run has events.
    """
    curves = Curves([folder])
    runs = [run for run in curves.read() if run.chosen is not None]
    if not runs:
        return ""
    tags = dict.fromkeys(tag for run in runs for tag in run.tags)
    for old in (path for run in runs for path in run.folder.glob(f"{EVENTS}.*")):
        if old.name in (EXPERIMENT, FIGURES):
            old.unlink()
    write_experiment(runs[0].folder, varying([run.hyperparameters for run in runs]), list(tags))
    if figures:
        _draw_heads(runs)
    return curves.link()


def _draw_heads(runs: Sequence[ViewedRun]) -> None:
    from mlc.tracking.events import EventFile, image  # imports TensorBoard

    differing = differing_settings([run.settings for run in runs])
    names = [contestant(run.head, run.settings, differing) for run in runs]
    colours = styles({name: run.head for name, run in zip(names, runs, strict=True)})
    groups: dict[tuple[str, str], dict[str, list[ViewedRun]]] = {}
    for name, run in zip(names, runs, strict=True):
        groups.setdefault((run.data, run.head), {}).setdefault(name, []).append(run)
    several_data = len({data for data, _ in groups}) > 1
    for number, ((data, head), settings) in enumerate(groups.items(), start=1):
        name, run = representative(settings)
        events = EventFile(run.folder / FIGURES)
        # TensorBoard sorts pictures by their tags alone.
        suffix = f"{number} {data} {head}" if several_data else f"{number} {head}"
        for tag, picture in draw_head(_figure(run, name, colours[name].colour)).items():
            events.add(image(f"{tag} {suffix}", picture), run.chosen or 0)
        events.close()


def representative(settings: Mapping[str, Sequence[ViewedRun]]) -> tuple[str, ViewedRun]:
    """Return the setting with the best mean validation value, and its median run."""

    def value(run: ViewedRun) -> float:
        is_loss = run.monitor == "loss" or not COUNT_METRICS[run.monitor].higher_is_better
        return -run.value if is_loss else run.value

    # Values of different metrics cannot be compared: only settings with the first monitor count.
    monitor = next(iter(settings.values()))[0].monitor
    settings = {name: runs for name, runs in settings.items() if runs[0].monitor == monitor}
    means = {name: float(np.mean([value(run) for run in runs])) for name, runs in settings.items()}
    best = max(means, key=means.__getitem__)
    ranked = sorted(settings[best], key=value)
    return best, ranked[(len(ranked) - 1) // 2]


def _figure(run: ViewedRun, name: str, colour: str) -> HeadFigure:
    rules = read_stored(run.folder / RULES)
    rule = chosen_rule({key: fitted["tuned_on"] for key, fitted in rules.items()})
    threshold = rules[rule].get("threshold")
    with np.load(run.folder / PREDICTIONS, allow_pickle=False) as stored:
        scores, targets = stored["scores"], stored["targets"]
        decisions = stored[f"decisions_{rule}"]
        known = stored.get("known")
    with np.load(run.folder / PREPROCESSING, allow_pickle=False) as stored:
        labels = [str(label) for label in stored["label_names"]]
    metrics = [tag.rpartition("/")[2] for tag in run.test]
    return HeadFigure(
        title=f"{name}, seed {run.seed}: test rows, weights of epoch {run.chosen}",
        colour=colour, scores=scores, targets=targets, decisions=decisions, labels=labels,
        metrics=metrics, rule=rule, threshold=threshold if isinstance(threshold, float) else None,
        known=known,
    )  # fmt: skip
