"""A TensorBoard view of sweeps: names that keep the sweep's order, and a link."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from mlc.files.names import EVENTS, HISTORY
from mlc.tracking.hyperparameters import SEED, hyperparameters, varying
from mlc.tracking.tensorboard import chosen_tag

if TYPE_CHECKING:
    from mlc.tracking.bands import Band
    from mlc.tracking.events import Value

PORT = 6006  # TensorBoard's default
# Events that a sweep adds to its first run, and to the run of each head that has figures. The names
# sort after those of the runs, which begin with the time.
EXPERIMENT, FIGURES = f"{EVENTS}.9999999990.experiment", f"{EVENTS}.9999999991.figures"
# More lines in one chart cannot be distinguished.
MOST_RUNS = 100
_MOST_PINNED_METRICS = 3
# A run is called [N SWEEP/][N DATA/]N HEAD SETTINGS/seed=S; or, in a sweep's own folder, DATA/HEAD/...
_BY_HEAD = r"(?:\d+ )?([^/ ]+)[^/]*/[^/]+$"
_BY_CONTESTANT = r"([^/]+)/[^/]+$"
_READABLE = "/:,()*?$"  # characters that need no escape in an address


@dataclass(frozen=True)
class ViewedRun:
    """A run in a view.

    Attributes:
        folder: of the run.
        sweep: name of the sweep.
        data, head, seed: of the run.
        settings: other overrides, as text by key.
        monitor: the metric that chooses the epoch.
        tags: of the metrics on the test rows, for the HParams page.
        chosen: the chosen epoch; None while the run is not finished.
        value: of the monitored metric at that epoch.
        test: metrics by tag; empty while the run is not finished.
    """

    folder: Path
    sweep: str
    data: str
    head: str
    seed: int
    settings: Mapping[str, str] = field(default_factory=dict)
    monitor: str = "loss"
    tags: Sequence[str] = ()
    chosen: int | None = None
    value: float = float("nan")
    test: Mapping[str, float] = field(default_factory=dict)

    @property
    def hyperparameters(self) -> dict[str, Value]:
        """Values of the run on the HParams page."""
        return hyperparameters(self.data, self.head, self.seed, self.settings)


class View:
    """A log directory for TensorBoard, of links to the events of runs, or of bands.

    A run keeps its name while other runs are added.

    Args:
        folder: empty; only the view writes to it.
        bands: whether to show runs that differ only in the seed as their mean, lowest and highest.
    """

    def __init__(self, folder: Path, *, bands: bool) -> None:
        self._folder, self._shows_bands = folder, bands
        self._numbers: dict[tuple[str, str], int] = {}
        self._names: dict[Path, str] = {}
        self._bands: dict[str, Band] = {}
        self._described = ""

    @property
    def names(self) -> list[str]:
        """Names of the runs or bands, in order."""
        return list(self._bands) if self._shows_bands else list(self._names.values())

    def refresh(self, runs: Sequence[ViewedRun]) -> None:
        """Update the view with the current state of the runs, in the order to be shown."""
        groups: dict[str, list[ViewedRun]] = {}
        for run, name in zip(runs, self._name(runs), strict=True):
            groups.setdefault(name, []).append(run)
        width = len(str(max((run.seed for run in runs), default=0)))
        for name, group in groups.items():
            if self._shows_bands:
                self._draw(name, [run for run in group if run.chosen is not None])
            else:
                for run in group:
                    self._link(run, f"{name}/seed={run.seed:0{width}d}")
        self._describe(runs)

    def _name(self, runs: Sequence[ViewedRun]) -> list[str]:
        """Return names: numbered contestants, below their data set and sweep if there are several."""
        differing = differing_settings([run.settings for run in runs])
        parts = {
            "sweep": [run.sweep for run in runs],
            "data": [run.data for run in runs],
            "contestant": [contestant(run.head, run.settings, differing) for run in runs],
        }
        columns = [
            [self._numbered(kind, value) for value in values]
            for kind, values in parts.items()
            if kind == "contestant" or len(set(values)) > 1
        ]
        return ["/".join(row) for row in zip(*columns, strict=True)]

    def _numbered(self, kind: str, part: str) -> str:
        known = self._numbers.get((kind, part))
        if known is None:
            known = 1 + sum(other == kind for other, _ in self._numbers)
            self._numbers[kind, part] = known
        return f"{known} {part.replace('/', '_')}"

    def _link(self, run: ViewedRun, name: str) -> None:
        if run.folder not in self._names:
            # Importing TensorBoard takes a second.
            from mlc.tracking.events import EventFile

            # TensorBoard orders runs, and so their colours, by the times of their first records.
            EventFile(self._folder / name / f"{EVENTS}.0", began=len(self._names) + 1).close()
            self._names[run.folder] = name
        folder = self._folder / self._names[run.folder]
        for old in folder.iterdir():
            if not old.exists():  # a link to deleted events of a run that was started again
                old.unlink()
        for events in run.folder.glob(f"{EVENTS}.*"):
            link = folder / events.name
            if events.name != EXPERIMENT and not link.is_symlink():
                link.symlink_to(events.absolute())

    def _draw(self, name: str, finished: Sequence[ViewedRun]) -> None:
        if not finished:
            return
        if name not in self._bands:
            from mlc.tracking.bands import Band  # imports TensorBoard

            common = {k: v for k, v in finished[0].hyperparameters.items() if k != SEED}
            self._bands[name] = Band(self._folder / name, len(self._bands) + 1, common)
        points = [
            (run.chosen or 0, {chosen_tag(run.monitor): run.value, **run.test}) for run in finished
        ]
        self._bands[name].write([run.folder / HISTORY for run in finished], points)
        for run in finished:
            figures, link = run.folder / FIGURES, self._folder / name / "mean" / FIGURES
            if figures.exists() and not link.is_symlink():
                link.symlink_to(figures.absolute())

    def _describe(self, runs: Sequence[ViewedRun]) -> None:
        """Write the columns of the HParams page into the first run.

        A server keeps the first columns that it reads, so those of a running sweep must leave room
        for further values.
        """
        first = next(iter(self.names), None)
        if first is None:
            return
        is_complete = all(run.chosen is not None for run in runs)
        columns = varying([run.hyperparameters for run in runs], is_complete=is_complete)
        if self._shows_bands:
            columns.pop(SEED, None)
            first = f"{first}/mean"
        tags = list(dict.fromkeys(tag for run in runs for tag in run.tags))
        described = repr((columns, tags, is_complete))
        if described != self._described:
            write_experiment(self._folder / first, columns, tags, is_complete=is_complete)
            self._described = described


def write_experiment(
    run: Path,
    columns: Mapping[str, Sequence[Value]],
    metrics: Sequence[str],
    *,
    is_complete: bool = True,
) -> None:
    """Write the columns of the HParams page of all runs into the folder of one run.

    If each run described its own columns, the page would lose keys that only some heads have. In a
    folder above the runs, the description would be shown as a further run.
    """
    from mlc.tracking.events import EventFile, experiment  # imports TensorBoard

    path = run / EXPERIMENT
    path.unlink(missing_ok=True)
    events = EventFile(path)
    events.add(experiment(columns, metrics, is_complete=is_complete))
    events.close()


def differing_settings(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the keys whose values differ, in order."""
    keys = dict.fromkeys(key for run in settings for key in run)
    return [key for key in keys if len({run.get(key) for run in settings}) > 1]


def contestant(head: str, settings: Mapping[str, str], differing: Iterable[str]) -> str:
    """Return the head, followed by those of its settings in which the runs differ."""
    return " ".join([head, *(f"{key}={settings[key]}" for key in differing if key in settings)])


def pinned_tags(monitors: Sequence[str], followed: Sequence[str]) -> list[str]:
    """Return the tags to pin: losses, monitored metrics, followed metrics, the chosen epoch."""
    metrics = [name for name in dict.fromkeys((*monitors, *followed)) if name != "loss"]
    curves = [f"val/{name}" for name in metrics[:_MOST_PINNED_METRICS]]
    return ["loss/train", "loss/val", *curves, *map(chosen_tag, monitors[:1])]


def link(address: str, pinned: Sequence[str], *, by_head: bool) -> str:
    """Return the address of a TensorBoard view without smoothing, coloured by head.

    Args:
        address: of the server, without a slash at its end.
        pinned: tags of the cards at the top, in order.
        by_head: whether to colour runs by head; else by contestant.
    """
    cards = [{"plugin": "scalars", "tag": tag} for tag in pinned]
    query = {
        "smoothing": "0",
        "runColorGroup": f"regex:{_BY_HEAD if by_head else _BY_CONTESTANT}",
        "pinnedCards": json.dumps(cards, separators=(",", ":")),
    }
    return f"{address}/?{urlencode(query, quote_via=quote, safe=_READABLE)}#timeseries"
