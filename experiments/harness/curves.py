"""A figure of the learning curves of a sweep, from its TensorBoard events."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from experiments.harness.plots import headline, label_ends
from mlc.config.errors import RunFolderError
from mlc.files.writing import write_atomically, write_text
from mlc.reporting.curves import Curves
from mlc.tracking.palette import Style, head_style, known_heads, series_style
from mlc.tracking.view import ViewedRun

COLUMNS = ["panel", "line", "seed", "x", "value"]
# Points of one run: panel, x and value.
Points = Iterator[tuple[str, float, float]]


def logged(panels: Mapping[str, str]) -> Callable[[ViewedRun], Points]:
    """Return a reader of the scalars of a run by epoch: a panel for each tag.

    Args:
        panels: title of the panel by tag.
    """

    def read(run: ViewedRun) -> Points:
        # Importing TensorBoard takes a second.
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(run.folder), size_guidance={"scalars": 0})
        events.Reload()
        for tag, panel in panels.items():
            for scalar in events.Scalars(tag):
                yield panel, scalar.step, scalar.value

    return read


@dataclass(frozen=True)
class CurvesFigure:
    """A figure of one sweep: a panel for each metric or setting, a line for each contestant.

    Attributes:
        sweep: the file in conf/experiment.
        title: the finding, in words.
        shows: whether curves show what the title says.
        line: name of the line that a run belongs to.
        points: reads the curves of a run.
        y, x: labels of the axes.
        reference: the line drawn in black.
        named: lines with a label; empty for all. Other lines are grey.
        heads: the head of a line that is not named after it.
        rows: the rows on which the curves were measured.
        shares_y: whether the panels have one y axis.
        mark: an x marked by a dotted line.
        all_bands: whether each named line has a band of its seeds, or the reference alone.
    """

    sweep: str
    title: str
    shows: Callable[[pd.DataFrame], bool]
    line: Callable[[ViewedRun], str]
    points: Callable[[ViewedRun], Points]
    y: str
    x: str = "epoch"
    reference: str = "sigmoid"
    named: Sequence[str] = ()
    heads: Mapping[str, str] = field(default_factory=dict)
    rows: str = "validation rows of digits"
    shares_y: bool = False
    mark: float | None = None
    all_bands: bool = True

    def files(self, experiment: str) -> tuple[str, str]:
        """Return the names of the CSV and of the PNG."""
        stem = "curves" if self.sweep == experiment else f"curves_{self.sweep}"
        return f"{stem}.csv", f"{stem}.png"

    def read(self, folder: Path) -> pd.DataFrame:
        """Read the curves of all finished runs of the sweeps in a folder.

        Raises:
            RunFolderError: there is no finished run.
        """
        runs = [run for run in Curves([folder]).read() if run.chosen is not None]
        if not runs:
            raise RunFolderError(
                f"{folder} has no finished run: start python -m mlc.train -m"
                f" experiment={self.sweep}, or give the folder of its sweep."
            )
        return pd.DataFrame(
            [
                (panel, self.line(run), run.seed, x, float(f"{value:.4g}"))
                for run in runs
                for panel, x, value in self.points(run)
            ],
            columns=COLUMNS,
        )

    def write(self, rows: pd.DataFrame, folder: Path, experiment: str) -> Path:
        """Write the curves as CSV and as PNG; return the path of the PNG."""
        csv, png = self.files(experiment)
        write_text(folder / csv, rows.to_csv(index=False))
        with write_atomically(folder / png) as file:
            file.write(self.draw(rows))
        return folder / png

    def draw(self, rows: pd.DataFrame) -> bytes:
        """Return a PNG: the mean of each line, and a band from its lowest to its highest seed."""
        names = list(dict.fromkeys(rows["panel"]))
        # Letters of four panels in a row could not be read on a page.
        columns = 2 if len(names) == 4 else min(len(names), 3)
        n_rows = -(-len(names) // columns)
        width = max(6.2, (4.3 if columns < 3 else 3.6) * columns)
        figure = Figure(figsize=(width, 0.8 + 2.9 * n_rows), layout="constrained")
        grid = figure.subplots(n_rows, columns, squeeze=False, sharey=self.shares_y).flatten()
        panels = grid[: len(names)]
        for panel in grid[len(names) :]:
            panel.set_visible(False)
        lines = list(dict.fromkeys(rows["line"]))
        ends = []
        for panel, name in zip(panels, names, strict=True):
            ends.append(self._draw_panel(panel, rows[rows["panel"] == name], lines))
            panel.set_title(name, fontsize="medium")
        # Panels that share their axis have their limits only after the last one is drawn.
        for panel, of_panel in zip(panels, ends, strict=True):
            label_ends(panel, of_panel, self.reference)
        for panel in panels[::columns]:
            panel.set_ylabel(self.y)
        headline(figure, self.title)
        n_seeds = rows["seed"].nunique()
        figure.supxlabel(
            f"{self.rows}; line: mean of {n_seeds} seeds, band: lowest to highest",
            fontsize="x-small", color="0.35", x=0.01, ha="left",
        )  # fmt: skip
        drawn, small = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=110, metadata={"Software": None})
        Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(
            small, format="png", optimize=True
        )
        return small.getvalue()

    def _draw_panel(
        self, panel: Axes, rows: pd.DataFrame, lines: Sequence[str]
    ) -> dict[str, tuple[float, str]]:
        others = [name for name in self.named or lines if name != self.reference]
        ends: dict[str, tuple[float, str]] = {}
        for name in sorted(lines, key=lambda name: (name in others, name == self.reference)):
            by_x = rows[rows["line"] == name].groupby("x")["value"]
            mean = by_x.mean()
            if mean.empty:
                continue
            style = self._style(name, others)
            panel.plot(mean.index, mean, **style)
            if name == self.reference or (name in others and self.all_bands):
                panel.fill_between(
                    mean.index,
                    by_x.min(),
                    by_x.max(),
                    color=style["color"],
                    alpha=0.14,
                    linewidth=0,
                )
            if name == self.reference or name in others:
                ends[name] = float(mean.iloc[-1]), style["color"]
        panel.set_xlabel(self.x)
        if (rows["x"] % 1 == 0).all():
            panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        panel.grid(color="0.92")
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_xlim(rows["x"].min(), rows["x"].max())
        if self.mark is not None:
            panel.axvline(self.mark, color="0.4", linestyle=":", linewidth=1.2)
            panel.annotate(
                f"{self.mark:g}", (self.mark, 0.02), (4, 0), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize="small", color="0.3",
            )  # fmt: skip
        return ends

    def _style(self, name: str, others: Sequence[str]) -> dict[str, Any]:
        if name == self.reference:
            return {"color": "black", "linewidth": 2.4, "linestyle": "-", "zorder": 4}
        if name not in others:
            return {"color": "0.75", "linewidth": 0.8, "linestyle": "-", "zorder": 1}
        style = self._styles(others)[name]
        return {**style.line, "linewidth": 1.6, "zorder": 3}

    def _styles(self, names: Sequence[str]) -> Mapping[str, Style]:
        """Return the styles of heads, or of lines by their place where one is no head."""
        heads = {name: self.heads.get(name, name) for name in names}
        if all(head in known_heads() for head in heads.values()):
            return {name: head_style(head) for name, head in heads.items()}
        return {name: series_style(index) for index, name in enumerate(names)}


def last(rows: pd.DataFrame, panel: str | None = None) -> pd.Series:
    """Return the mean of each line at the last x, over the seeds."""
    if panel is not None:
        rows = rows[rows["panel"] == panel]
    return rows[rows["x"] == rows["x"].max()].groupby("line")["value"].mean()


def at(rows: pd.DataFrame, x: float, panel: str | None = None) -> pd.Series:
    """Return the mean of each line at one x, over the seeds."""
    if panel is not None:
        rows = rows[rows["panel"] == panel]
    return rows[rows["x"] == x].groupby("line")["value"].mean()
