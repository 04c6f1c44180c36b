"""Colours, dashes and markers of what is compared: the same in TensorBoard, figures and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# TensorBoard's own in their order, for it takes no others: the first group of runs gets the first.
# The first three differ in lightness too (34, 68 and 52 of 100), so that they differ in print.
COLOURS = ("#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a")
# Lengths of dashes and gaps; as many as cannot be confused.
DASHES = ("", "7 3", "2 2", "9 3 2 3", "4 4", "1 4", "9 3 2 3 2 3", "12 2")
# More than there are colours, so that no two rules share both.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")


@dataclass(frozen=True)
class Style:
    """How one thing among others is drawn; `dash` as SVG writes it, empty for a solid line."""

    colour: str
    dash: str


def styles(heads: Mapping[str, str]) -> dict[str, Style]:
    """A style for each contestant: a head's colour, and dashes of its own.

    Args:
        heads: by contestant (a head with its settings), in the sweep's order. Where all are the
            same, each contestant has a colour.
    """
    groups = list(dict.fromkeys(heads.values()))
    if len(groups) == 1:
        groups = list(heads)
    found = {}
    for place, (contestant, head) in enumerate(heads.items()):
        group = groups.index(head if head in groups else contestant)
        found[contestant] = Style(COLOURS[group % len(COLOURS)], DASHES[place % len(DASHES)])
    return found
