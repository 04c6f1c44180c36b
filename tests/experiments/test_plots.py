"""Figures of experiments: the colours of heads, and room for title and legend."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from experiments.harness.curves import CurvesFigure, logged
from experiments.harness.plots import curve, headline, label_ends, legend, panels, shaded
from mlc.reporting.statistics import Interval
from mlc.tracking.palette import head_style, styles

HEADS = ("sigmoid", "pick_one", "powerset")
INTERVALS = [Interval(0.5, 0.1, 3), Interval(0.6, 0.1, 3)]


@pytest.mark.parametrize("heads", [HEADS, HEADS[::-1]])
def test_a_head_has_the_colour_that_it_has_in_tensorboard_and_on_the_page(
    heads: tuple[str, ...],
) -> None:
    _, (panel,) = panels(1)
    for head in heads:
        curve(panel, [1, 2], INTERVALS, head_style(head), head)
    drawn = {str(c.get_label()): to_hex(c.lines[0].get_color()) for c in panel.containers}
    assert drawn == {head: head_style(head).colour for head in heads}
    figure = CurvesFigure("", "", bool, str, logged({}), "", reference="sigmoid")
    others = [head for head in heads if head != "sigmoid"]
    for head in heads:
        assert to_hex(figure._style(head, others)["color"]) == head_style(head).colour


def test_lines_that_are_no_heads_are_not_black() -> None:
    figure = CurvesFigure("", "", bool, str, logged({}), "", heads={"groups": "grouped"})
    assert figure._style("groups", ["groups"])["color"] == head_style("grouped").colour
    colours = {figure._style(name, ["adam", "sgd"])["color"] for name in ("adam", "sgd")}
    assert len(colours) == 2
    assert "#000000" not in colours


@pytest.mark.parametrize("note", ["", "a note of more than one line " * 8])
@pytest.mark.parametrize("columns", [1, 3])
def test_title_note_legend_and_panels_do_not_overlap(columns: int, note: str) -> None:
    figure, axes = panels(3)
    for head in HEADS:
        curve(axes[0], [1, 2], INTERVALS, head_style(head), head)
    legend(figure, axes[0], columns)
    headline(figure, "A question that is so long that it does not fit on one line? " * 2, note)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (drawn,) = figure.legends
    title = figure._suptitle
    assert title is not None
    text = title.get_text().rstrip("\n")
    room = title.get_window_extent()
    bottom = room.y1 - room.height * (1 + text.count("\n")) / (1 + title.get_text().count("\n"))
    box = drawn.get_window_extent()
    above = [bottom, *(each.get_window_extent().y0 for each in figure.texts if each is not title)]
    assert box.y1 <= min(above) + 2
    assert box.y0 >= axes[0].get_window_extent().y1


def test_names_at_the_ends_of_lines_are_apart_on_a_logarithmic_axis() -> None:
    _, (panel,) = panels(1)
    panel.set(yscale="log", ylim=(1e-3, 1))
    label_ends(panel, {"a": (0.01, "red"), "b": (0.0101, "blue")})
    heights = sorted(float(text.xyann[1]) for text in panel.texts)
    assert heights[1] - heights[0] > 0.05
    assert abs(sum(heights) / 2 - 1 / 3) < 0.01


def test_settings_of_a_head_have_shades_of_its_colour() -> None:
    heads = {"a": "focal", "b": "focal", "c": "sigmoid"}
    drawn = shaded(styles(heads), heads)
    assert drawn["a"].colour == head_style("focal").colour != drawn["b"].colour
    assert drawn["a"].marker != drawn["b"].marker
