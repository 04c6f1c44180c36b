"""The figure of a comparison: each head's difference from the reference, and the band of equality."""

from __future__ import annotations

import io

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlc.comparing.answer import Answer
from mlc.comparing.words import rows_by_test
from mlc.config.texts import signed
from mlc.reporting import gaps


def axis_limit(answer: Answer) -> float:
    """How far the axis reaches on both sides of 0; one head that is far behind does not squeeze it."""
    ends = [abs(gap.mean) + np.nan_to_num(gap.half_width) for gap in answer.differences.values()]
    return gaps.axis_limit(ends, answer.margin)


def draw_differences(answer: Answer) -> bytes:
    """Draw a PNG: a row for each head but the reference, readable in greyscale."""
    with rc_context({"text.parse_math": False}):
        return _drawn(answer)


def _drawn(answer: Answer) -> bytes:
    heads = [name for name, _ in rows_by_test(answer) if name in answer.differences]
    figure = Figure(figsize=(6.5, 1.5 + 0.36 * max(len(heads), 1)), layout="constrained", dpi=150)
    panel = figure.subplots()
    limit = axis_limit(answer)
    panel.axvspan(-answer.margin, answer.margin, color="0.9", zorder=0)
    panel.axvline(0, color="0.4", linewidth=1, zorder=1)
    for index, head in enumerate(heads):
        _draw_head(panel, answer, head, index, limit)
    panel.set_yticks(range(len(heads)), [f"{h}, {answer.heads[h][0].rule}" for h in heads])
    panel.set_ylim(max(len(heads), 1) - 0.5, -0.5)
    panel.set_xlim(-limit, limit)
    better = "" if answer.sign > 0 else ", sign turned so that more is better"
    rule = answer.heads[answer.reference][0].rule
    panel.set_xlabel(f"test {answer.metric} minus that of {answer.reference}, {rule}{better}")
    panel.set_title(
        f"bars: 95% intervals; grey band: equal within {answer.margin:g}; filled dot: the choice",
        fontsize="small",
    )
    panel.grid(axis="x", color="0.93")
    panel.set_axisbelow(True)
    stream = io.BytesIO()
    # A report recognises files that it wrote by this entry.
    figure.savefig(stream, format="png", metadata={"Software": "mlc"})
    return stream.getvalue()


def _draw_head(panel: Axes, answer: Answer, head: str, index: int, limit: float) -> None:
    gap = answer.differences[head]
    fill = "black" if head == answer.chosen.head else "white"
    if abs(gap.mean) < limit:
        width = np.nan_to_num(gap.half_width)
        panel.errorbar(
            gap.mean, index, xerr=width, fmt="o", color="black", markerfacecolor=fill, capsize=3
        )
        return
    side = float(np.sign(gap.mean))
    panel.annotate(
        signed(gap.mean),
        xy=(side * limit, index),
        xytext=(side * limit * 0.8, index),
        arrowprops={"arrowstyle": "->"},
        ha="left" if side < 0 else "right",
        va="center",
        fontsize="small",
    )
