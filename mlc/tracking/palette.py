"""Colours, dashes and markers of contestants, the same in TensorBoard, figures and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The palette of TensorBoard, which cannot be changed, in its order. The first three also differ in
# lightness (34, 68 and 52 of 100), so that they differ in print.
COLOURS = ("#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a")
# Lengths of dashes and gaps.
DASHES = ("", "7 3", "2 2", "9 3 2 3", "4 4", "1 4", "9 3 2 3 2 3", "12 2")
# More markers than colours, so that no two rules share both.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")


@dataclass(frozen=True)
class Style:
    """The style of a line: a colour, and `dash` as in SVG (empty for a solid line)."""

    colour: str
    dash: str


def styles(heads: Mapping[str, str]) -> dict[str, Style]:
    """Return a style for each contestant: the colour of its head, and its own dashes.

    Args:
        heads: the head of each contestant (a head with its settings), in the sweep's order. If all
            heads are the same, each contestant has a colour.
    """
    groups = list(dict.fromkeys(heads.values()))
    if len(groups) == 1:
        groups = list(heads)
    result = {}
    for index, (contestant, head) in enumerate(heads.items()):
        group = groups.index(head if head in groups else contestant)
        result[contestant] = Style(COLOURS[group % len(COLOURS)], DASHES[index % len(DASHES)])
    return result
