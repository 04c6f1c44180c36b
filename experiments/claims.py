"""Write the register of claims, results/claims.md: python -m experiments.claims

It lists each sentence and table row of the pages that holds a number or a comparison, with what
carries it. The numbers are those of the stored rows, which `python -m experiments --report` fills in,
and each comparison of a claim marker is computed from them anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from experiments.harness.claims import FAILS, HOLDS, PROJECT, Carried, carried
from experiments.harness.origins import origin, over
from experiments.harness.report import quoted
from experiments.harness.sentences import Sentence, claims_of
from mlc.config.errors import ConfigError
from mlc.files.writing import write_text

REGISTER = PROJECT / "results/claims.md"
# Pages that a program writes as a whole, each with a test of it.
GENERATED = {
    "docs/heads.md": (
        "`python -m mlc.heads.catalogue` writes this page from the docstrings, which name the sources",
        "tests/heads/test_catalogue.py::test_the_document_agrees_with_the_docstrings",
    ),
    "docs/reliability.md": (
        "`make torture FULL=1` writes this page; `make test` runs a short form",
        "tests/torture/test_short.py::test_a_killed_sweep_is_resumed_to_the_same_bytes",
    ),
    "docs/statistics.md": (
        "`python -m benchmarks.statistics` writes this page from results/statistics/simulated.csv",
        "tests/benchmarks/test_statistics.py::test_the_page_follows_from_its_rows",
    ),
}
_INTRODUCTION = """# Claims

Each sentence and table row of the pages that holds a number or a comparison, and what carries it;
written by `python -m experiments.claims`. Numbers in the sentences come from stored rows by the
functions in the last table; *holds* is computed from them anew. *by test*: a test of the suite computes
or does what is said. *by source*: a publication or a manual says it. *predicted*: written before the
measurement, and decided in the experiment's table of findings. *not carried*: nothing does yet. Pages
that a program writes are listed by their program, not by sentence.
"""


def pages() -> dict[str, str]:
    """Return the texts of the pages, by path."""
    patterns = ("README.md", "docs/*.md", "experiments/*/README.md")
    paths = [path for pattern in patterns for path in sorted(PROJECT.glob(pattern))]
    return {
        path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8") for path in paths
    }


def numbers(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the numbers that the pages quote, under EXPERIMENT.NAME."""
    return {
        f"{_prefix(page)}{name}": value
        for page, text in texts.items()
        for name, value in quoted(text).items()
    }


def register(texts: Mapping[str, str]) -> str:
    """Return the text of the register."""
    values = numbers(texts)
    parts = [_INTRODUCTION]
    for page, text in texts.items():
        if page in GENERATED:
            program, test = GENERATED[page]
            parts.append(f"## {page}\n\n{program} ({carried(test, values).by}).\n")
        elif claims := claims_of(text):
            rows = [_row(claim, _prefix(page), values) for claim in claims]
            header = ["sentence", "interval over", "carried by", "holds"]
            parts.append(f"## {page}\n\n{_table(header, rows)}\n")
    rows = [[name, values[name], over(name, values[name]), origin(name)] for name in sorted(values)]
    header = ["number", "value", "interval over", "computed by"]
    parts.append(
        f"## Numbers\n\nEach from the rows in results/EXPERIMENT.\n\n{_table(header, rows)}\n"
    )
    return "\n".join(parts)


def _prefix(page: str) -> str:
    """Return what the names of a page's numbers lack: an experiment's page quotes its own."""
    return f"{page.split('/')[1]}." if page.startswith("experiments/") else ""


def _row(claim: Sentence, prefix: str, values: Mapping[str, str]) -> list[str]:
    names = [f"{prefix}{name}" for name, _ in claim.quoted]
    shown = [carried(carrier, values) for carrier in claim.carriers]
    of_rows = [carrier for carrier in claim.carriers if ".csv[" in carrier]
    intervals = [*((name, values[name]) for name in names), *((row, row) for row in of_rows)]
    kinds = [what for name, value in intervals if (what := over(name, value))]
    by = [*names, *(each.by for each in shown if each.by)]
    return [claim.text, ", ".join(dict.fromkeys(kinds)), "; ".join(by), _verdict(claim, shown)]


def _verdict(claim: Sentence, shown: Sequence[Carried]) -> str:
    """Return the verdict on a claim from those of its carriers."""
    if not claim.is_carried:
        return "not carried"
    verdicts = [each.verdict for each in shown]
    if FAILS in verdicts:
        return f"**{FAILS}**"
    return HOLDS if HOLDS in verdicts or not verdicts else verdicts[0]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format as Markdown without padding: one long sentence would widen all lines."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def main() -> int:
    """Write the register; return the exit status."""
    try:
        write_text(REGISTER, register(pages()))
    except ConfigError as error:
        print(f"experiments.claims: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
