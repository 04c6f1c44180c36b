"""A sweep as TensorBoard should show it: names that sort as it was written, and a link."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from mlc.files.names import EVENTS, HISTORY
from mlc.tracking.bands import Band
from mlc.tracking.events import EventFile, Value, experiment
from mlc.tracking.hyperparameters import SEED, hyperparameters, varying
from mlc.tracking.tensorboard import chosen_tag

PORT = 6006  # TensorBoard's own
# What a sweep adds to its first run, and to each head's run that has a figure.
# Their names are read after those that begin with the time.
EXPERIMENT, FIGURES = f"{EVENTS}.9999999990.experiment", f"{EVENTS}.9999999991.figures"
# More lines than these in one chart nobody can tell apart.
MOST_RUNS = 100
_MOST_PINNED_METRICS = 3
# A run is called [N SWEEP/][N DATA/]N HEAD SETTINGS/seed=S; or, in a sweep's own folder, DATA/HEAD/...
_BY_HEAD = r"(?:\d+ )?([^/ ]+)[^/]*/[^/]+$"
_BY_CONTESTANT = r"([^/]+)/[^/]+$"
_READABLE = "/:,()*?$"  # what needs no escape in an address


@dataclass(frozen=True)
class Shown:
    """A run as a view needs it.

    Attributes:
        folder: of the run.
        sweep: what its sweep is called.
        data, head, seed: the run's.
        settings: what was set beside these, as text by key.
        monitor: the metric that chooses the epoch.
        tags: of its metrics on the test rows, for the HParams page.
        chosen: the chosen epoch, once the run is finished.
        value: of the monitored metric there.
        test: the metrics by their tags, once the run is finished.
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
        """For the HParams page."""
        return hyperparameters(self.data, self.head, self.seed, self.settings)


class View:
    """A folder for TensorBoard, made of links to the runs' events, or of bands.

    A run keeps the name that it was given, also while others are added.

    Args:
        folder: empty, and the view's own.
        bands: whether runs that differ in their seeds alone are shown as mean, lowest and highest.
    """

    def __init__(self, folder: Path, *, bands: bool) -> None:
        self._folder, self._shows_bands = folder, bands
        self._numbers: dict[tuple[str, str], int] = {}
        self._names: dict[Path, str] = {}
        self._bands: dict[str, Band] = {}
        self._described = ""

    @property
    def names(self) -> list[str]:
        """The runs' names, or those of the bands, in their order."""
        return list(self._bands) if self._shows_bands else list(self._names.values())

    def refresh(self, runs: Sequence[Shown]) -> None:
        """Take in what is new in the runs, which stand in the order in which they are to be shown."""
        groups: dict[str, list[Shown]] = {}
        for run, name in zip(runs, self._name(runs), strict=True):
            groups.setdefault(name, []).append(run)
        width = len(str(max((run.seed for run in runs), default=0)))
        for name, own in groups.items():
            if self._shows_bands:
                self._draw(name, [run for run in own if run.chosen is not None])
            else:
                for run in own:
                    self._link(run, f"{name}/seed={run.seed:0{width}d}")
        self._describe(runs)

    def _name(self, runs: Sequence[Shown]) -> list[str]:
        """The numbered contestants, under their data sets and sweeps where there are several."""
        differing = differing_settings([run.settings for run in runs])
        parts = {
            "sweep": [run.sweep for run in runs],
            "data": [run.data for run in runs],
            "contestant": [contestant(run.head, run.settings, differing) for run in runs],
        }
        columns = [
            [self._numbered(kind, part) for part in own]
            for kind, own in parts.items()
            if kind == "contestant" or len(set(own)) > 1
        ]
        return ["/".join(own) for own in zip(*columns, strict=True)]

    def _numbered(self, kind: str, part: str) -> str:
        known = self._numbers.get((kind, part))
        if known is None:
            known = 1 + sum(own == kind for own, _ in self._numbers)
            self._numbers[kind, part] = known
        return f"{known} {part.replace('/', '_')}"

    def _link(self, run: Shown, name: str) -> None:
        if run.folder not in self._names:
            # TensorBoard orders runs, and so their colours, by the times of their first records.
            EventFile(self._folder / name / f"{EVENTS}.0", began=len(self._names) + 1).close()
            self._names[run.folder] = name
        own = self._folder / self._names[run.folder]
        for left in own.iterdir():
            if not left.exists():  # a link to what a run has left that was begun anew
                left.unlink()
        for events in run.folder.glob(f"{EVENTS}.*"):
            link = own / events.name
            if events.name != EXPERIMENT and not link.is_symlink():
                link.symlink_to(events.absolute())

    def _draw(self, name: str, finished: Sequence[Shown]) -> None:
        if not finished:
            return
        if name not in self._bands:
            told = {k: v for k, v in finished[0].hyperparameters.items() if k != SEED}
            self._bands[name] = Band(self._folder / name, len(self._bands) + 1, told)
        points = [
            (run.chosen or 0, {chosen_tag(run.monitor): run.value, **run.test}) for run in finished
        ]
        self._bands[name].write([run.folder / HISTORY for run in finished], points)
        for run in finished:
            figures, link = run.folder / FIGURES, self._folder / name / "mean" / FIGURES
            if figures.exists() and not link.is_symlink():
                link.symlink_to(figures.absolute())

    def _describe(self, runs: Sequence[Shown]) -> None:
        """The columns of the HParams page, in the first run.

        A server keeps the first that it reads, so those of a running sweep have room for what comes.
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
    """Describe all runs' HParams page in one run's folder, in place of an earlier description.

    Were each run to describe its own, keys that only some heads have would vanish from the page; and
    in a folder above the runs the description would make a run of its own.
    """
    path = run / EXPERIMENT
    path.unlink(missing_ok=True)
    events = EventFile(path)
    events.add(experiment(columns, metrics, is_complete=is_complete))
    events.close()


def differing_settings(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys that are not the same in all, in their order."""
    keys = dict.fromkeys(key for own in settings for key in own)
    return [key for key in keys if len({own.get(key) for own in settings}) > 1]


def contestant(head: str, settings: Mapping[str, str], differing: Iterable[str]) -> str:
    """The head, with those of its settings that differ among the runs."""
    return " ".join([head, *(f"{key}={settings[key]}" for key in differing if key in settings)])


def pinned_tags(monitors: Sequence[str], followed: Sequence[str]) -> list[str]:
    """The curves to look at first: the losses, what is monitored, what else is followed, the choice."""
    metrics = [name for name in dict.fromkeys((*monitors, *followed)) if name != "loss"]
    curves = [f"val/{name}" for name in metrics[:_MOST_PINNED_METRICS]]
    return ["loss/train", "loss/val", *curves, *map(chosen_tag, monitors[:1])]


def link(address: str, pinned: Sequence[str], *, several_heads: bool) -> str:
    """The address of a TensorBoard with the view that a reader wants: no smoothing, heads by colour.

    Args:
        address: of the server, without a slash at its end.
        pinned: tags of the cards at the top, in their order.
        several_heads: whether a head's runs have one colour, or else a setting's.
    """
    cards = [{"plugin": "scalars", "tag": tag} for tag in pinned]
    query = {
        "smoothing": "0",
        "runColorGroup": f"regex:{_BY_HEAD if several_heads else _BY_CONTESTANT}",
        "pinnedCards": json.dumps(cards, separators=(",", ":")),
    }
    return f"{address}/?{urlencode(query, quote_via=quote, safe=_READABLE)}#timeseries"
