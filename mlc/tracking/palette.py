"""Colours, dashes and markers of heads, the same in TensorBoard, figures and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

# Black is sigmoid's alone. The others differ from black and from each other by at least 0.15 in Oklab,
# and by 0.1 for readers without one kind of cone (Machado et al. 2009); black on white has 1.
COLOURS = (
    "#000000", "#f0451a", "#1a2fe0", "#5bbcff", "#009660", "#a76aff", "#f5a31a", "#a51c08",
    "#e58cb2", "#6a2ea2", "#156058", "#5278b0",
)  # fmt: skip
_NAMES = (
    "black", "vermilion", "blue", "sky", "green", "violet", "orange", "maroon", "pink", "purple",
    "teal", "slate",
)  # fmt: skip
# Lengths of dashes and gaps.
DASHES = ("", "7 3", "2 2", "9 3 2 3", "4 4", "1 4", "9 3 2 3 2 3", "12 2")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")

# Heads by colour: the first of each is one of those that are compared most, and has the dashes and the
# marker of its place; each further one has dashes and a marker of its own.
_HEADS = {
    "black": ("sigmoid",),
    "vermilion": ("pick_one", "assume_negative", "hierarchical_softmax"),
    "blue": ("powerset", "negative_sampling", "rakel"),
    "sky": ("label_powerset", "logit_adjusted", "regression", "squared_hinge"),
    "green": ("pairwise", "class_balanced", "expected_positive", "ova_n", "f_measure"),
    "violet": ("chain", "distribution_balanced", "grouped", "sigmoid_f1"),
    "orange": ("zlpr", "margin", "sparsemax"),
    "maroon": ("asymmetric", "softmax_all", "two_way"),
    "pink": ("focal", "distribution_cardinality", "bp_mll"),
    "purple": ("weighted_sigmoid",),
    "teal": ("softmax_uniform", "unnormalised_kl"),
    "slate": ("bernoulli_mixture", "hill", "soft_jaccard"),
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """The style of a line.

    Attributes:
        colour: as in CSS.
        dash: lengths of dashes and gaps as in SVG; empty for a solid line.
        marker: as in matplotlib.
        width: of a line, as a multiple of the common width.
    """

    colour: str
    dash: str
    marker: str = "o"
    width: float = 1.0

    @property
    def line(self) -> dict[str, Any]:
        """Colour and dashes as matplotlib names them."""
        lengths = tuple(0.55 * float(length) for length in self.dash.split())
        return {"color": self.colour, "linestyle": (0, lengths) if lengths else "-"}


def _known() -> dict[str, Style]:
    return {
        head: _style(place, place + 3 * number)
        for place, name in enumerate(_NAMES)
        for number, head in enumerate(_HEADS[name])
    }


def _style(colour: int, place: int) -> Style:
    return Style(COLOURS[colour], DASHES[place % len(DASHES)], MARKERS[place % len(MARKERS)])


_STYLES = _known()
REFERENCE = "sigmoid"
_STYLES[REFERENCE] = replace(_STYLES[REFERENCE], width=1.7)


def hash_of(name: str) -> int:
    """Return the number from which a head of one's own has its style; TensorBoard's page has it too."""
    result = 7
    for letter in name:
        result = (31 * result + ord(letter)) % 65521
    return result


def head_style(head: str) -> Style:
    """Return the style of a head, whichever other heads there are.

    A head of one's own has one by its name, and is never black.
    """
    if head in _STYLES:
        return _STYLES[head]
    number = hash_of(head)
    return _style(1 + number % (len(COLOURS) - 1), number // len(COLOURS))


def known_heads() -> dict[str, int]:
    """Return the place in COLOURS of each head that has a style of its own."""
    return {head: COLOURS.index(style.colour) for head, style in _STYLES.items()}


def series_style(index: int) -> Style:
    """Return a style for a line that is no head, such as a rule or a setting, by its place."""
    return _style(1 + index % (len(COLOURS) - 1), index)


def styles(heads: Mapping[str, str]) -> dict[str, Style]:
    """Return a style for each contestant: that of its head, with further dashes for further settings.

    Args:
        heads: the head of each contestant (a head with its settings), in the sweep's order. If all
            heads are the same, each contestant has a colour.
    """
    if len(heads) > 1 and len(set(heads.values())) == 1:
        return {contestant: series_style(index) for index, contestant in enumerate(heads)}
    seen: dict[str, int] = {}
    result = {}
    for contestant, head in heads.items():
        style = head_style(head)
        number = seen[head] = seen.get(head, -1) + 1
        dash = DASHES[(DASHES.index(style.dash) + number) % len(DASHES)]
        result[contestant] = replace(style, dash=dash)
    return result
