"""What figures of the benchmarks have in common."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator


def logarithmic(axes: Axes, x: Sequence[int], xlabel: str, ylabel: str) -> None:
    """Give both axes a logarithmic scale with plain numbers, and ticks at the values `x`."""
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    axes.set_xticks(x, [f"{value:,}" if value < 10_000 else f"{value // 1000}k" for value in x])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(color="0.9")
