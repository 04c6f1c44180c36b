"""A table of all heads from their docstrings: python -m mlc.heads.catalogue > docs/heads.md"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

from mlc.config.options import search_space
from mlc.heads.base import HEADS, Head, JointHead

TITLE = """# Heads

Generated from the docstrings by `python -m mlc.heads.catalogue`. `z` are the outputs, `y` the targets,
`s = sigmoid(z)`, `p = softmax(z)`. A loss is one value for each sample, summed over its labels or
label sets as the formula says; a step takes the mean over the batch. "Threshold" is the score from
which the rule `fixed` predicts a label; for a head without one, `fixed` needs a threshold in its
options. Soft targets are numbers between 0 and 1; the other heads refuse them."""


@dataclass(frozen=True)
class Entry:
    """The parts of a head's docstring."""

    summary: str
    loss: str
    consistency: str
    source: str

    @classmethod
    def of(cls, head: type[Head]) -> Entry:
        """Read the docstring.

        Raises:
            ValueError: a part is missing.
        """
        text = re.sub(r"\s+", " ", inspect.getdoc(head) or "")
        match = re.fullmatch(r"(.+?) loss = (.+?) (Consistent .+?) Source: (.+)", text)
        if match is None:
            raise ValueError(
                f"The docstring of {head.__name__} must have a summary, 'loss = ', 'Consistent' and"
                " 'Source: ', in this order."
            )
        return cls(*match.groups())


def table() -> str:
    """Return the table of all heads in Markdown."""
    lines = [
        "| head | what it is | loss | consistency | source | scores | threshold | soft targets"
        " | search space |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in HEADS:
        head = HEADS[name]
        entry = Entry.of(head)
        space = "; ".join(
            f"`{key}`: {values}" for key, values in search_space(head.Options).items()
        )
        scores = head.estimates + (", joint" if issubclass(head, JointHead) else "")
        cells = (
            f"`{name}`", entry.summary, entry.loss, entry.consistency, entry.source, scores,
            _threshold(head), "yes" if head.soft_targets else "no", space or "-",
        )  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([TITLE, "", *lines, ""])


def _threshold(head: type[Head]) -> str:
    """Format the natural threshold; if it depends on the number of labels, for two such numbers."""
    few, many = head.natural_threshold(5), head.natural_threshold(20)
    if few is None or many is None:
        return "none"
    return f"{few:g}" if few == many else f"{few:g} for K = 5, {many:g} for K = 20"


if __name__ == "__main__":
    print(table(), end="")
