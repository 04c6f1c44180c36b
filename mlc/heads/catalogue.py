"""All heads from their docstrings: python -m mlc.heads.catalogue > docs/heads.md"""

from __future__ import annotations

import inspect
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from mlc.config.option_types import default_of
from mlc.heads.base import HEADS, Head, JointHead

INTRODUCTION = r"""Generated from the docstrings by `python -m mlc.heads.catalogue`. In the formulas
$`z`$ are the outputs, $`y`$ the targets, $`x`$ the features (D numbers), K is the number of labels,
$`\lvert y \rvert`$ that of a sample's positive labels, and $`\sigma`$ the sigmoid. A loss is one
value for each sample, summed over its labels or label sets as the formula says; a step takes the
mean over the batch. The threshold is the score from which the rule `fixed` predicts a label; for a
head without one, `fixed` needs a threshold in its options. Soft targets are numbers between 0 and
1; the other heads refuse them.

Scores are marginals, shares or order. Marginals are $`P(y_k = 1 \mid x)`$. Shares are 1/n for each
of n labels that are certain; in general
$`\mathbb{E}[y_k / \lvert y \rvert \mid x, y \neq \emptyset]`$, since rows without labels have the
loss 0. Two heads differ: for `softmax_all` they are
$`P(y_k = 1 \mid x) / \mathbb{E}[\lvert y \rvert \mid x]`$, and for `ova_n` rows without labels
count, with the share 0. Order means numbers that only rank the labels. Heads with a joint
distribution also suit the rules that decide by it. An option that is None is `null` on a command
line.
"""
# The paragraphs of a docstring after the loss, and how a document names them.
_PATTERN = r"(.+?) loss = (.+?) (Consistent .+?) Source: (.+?)(?: Use: (.+?))?(?: Avoid: (.+?))?"


@dataclass(frozen=True)
class Entry:
    """The parts of a head's docstring; the last two may be empty."""

    summary: str
    loss: str
    consistency: str
    source: str
    use: str
    avoid: str

    @classmethod
    def of(cls, head: type[Head]) -> Entry:
        """Read the docstring.

        Raises:
            ValueError: a part is missing.
        """
        text = re.sub(r"\s+", " ", inspect.getdoc(head) or "")
        match = re.fullmatch(_PATTERN, text)
        if match is None:
            raise ValueError(
                f"The docstring of {head.__name__} must have a summary, 'loss = ', 'Consistent' and"
                " 'Source: ', in this order, and may end with 'Use: ' and 'Avoid: '."
            )
        return cls(*match.groups(default=""))


def document() -> str:
    """Return docs/heads.md: a table of all heads, and a section for each."""
    links = {name: f"#{name}" for name in HEADS}
    sections = [f"## `{name}`\n\n{section(name, 'docs')}" for name in HEADS]
    return "\n".join(["# Heads", "", INTRODUCTION, table(links), *sections])


def table(links: Mapping[str, str], **further: Mapping[str, str]) -> str:
    """Return a table with a line for each head.

    Args:
        links: where the name of each head leads to.
        further: further columns, by heading: texts by head.
    """
    headings = ("head", "what it is", "scores", "threshold", "soft targets", *further)
    lines = [headings, ["---"] * len(headings)]
    for name in HEADS:
        head = HEADS[name]
        cells = (
            f"[`{name}`]({links[name]})", Entry.of(head).summary, _scores(head), _threshold(head),
            "yes" if head.soft_targets else "no", *(texts.get(name, "-") for texts in further.values()),
        )  # fmt: skip
        lines.append(cells)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def section(name: str, folder: str) -> str:
    """Return what is to be said of a head, in Markdown.

    Args:
        name: one of HEADS.
        folder: the folder of the document, for its links.
    """
    head = HEADS[name]
    entry = Entry.of(head)
    paragraphs = {
        "Loss": entry.loss,
        "What it estimates": f"{entry.consistency} Scores: {_scores(head)}. Threshold:"
        f" {_threshold(head)}. Soft targets: {'yes' if head.soft_targets else 'no'}.",
        "Use it": entry.use,
        "Avoid it": entry.avoid,
        "Options": "; ".join(options_of(head.Options)),
        "Source": entry.source,
    }
    texts = [f"**{title}**: {text}\n" for title, text in paragraphs.items() if text]
    return "\n".join([f"{entry.summary}\n", *(linked(text, folder) for text in texts)])


def options_of(options: type) -> list[str]:
    """Describe each option: its default, its limits and its search space."""
    described = []
    for field in fields(options):
        limits, search = field.metadata.get("limits"), field.metadata.get("search")
        words = [str(limits)] if limits and str(limits) else []
        words += [f"searched over {search}"] if search is not None else []
        described.append(
            f"`{field.name}={default_of(field)}`" + (f" ({'; '.join(words)})" if words else "")
        )
    return described


def linked(text: str, folder: str) -> str:
    """Turn the paths of documents and experiments into links from a folder of the repository."""
    return re.sub(
        r"\b(?:docs|experiments|results)/[\w/]+(?:\.md)?",
        lambda match: f"[{match[0]}]({posixpath.relpath(match[0], folder)})",
        text,
    )


def _scores(head: type[Head]) -> str:
    return head.estimates + (", joint" if issubclass(head, JointHead) else "")


def _threshold(head: type[Head]) -> str:
    """Format the natural threshold: a number, or 1/K if it depends on the number of labels."""
    few, many = head.natural_threshold(5), head.natural_threshold(20)
    if few is None or many is None:
        return "none"
    if few == many:
        return f"{few:.3g}"
    assert (few, many) == (1 / 5, 1 / 20)
    return "1/K"


if __name__ == "__main__":
    print(document(), end="")
