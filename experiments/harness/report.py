"""Tables, figures and findings, written to files and into the blocks of a README."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill

from matplotlib.figure import Figure

from mlc.files.writing import write_atomically, write_text
from mlc.reporting.statistics import Interval
from mlc.reporting.tables import Table

FINDINGS, FOOT = "findings", "foot"
_BLOCK = re.compile(r"(<!-- begin ([\w.]+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)
_NUMBER = re.compile(r"(<!--=([\w.]+)-->).*?(<!--/-->)", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """A prediction and its measurement; `held` is None while there are too few rows to decide."""

    prediction: str
    measured: str
    held: bool | None


@dataclass
class Report:
    """The results of an experiment.

    Attributes:
        tables: caption and table by name.
        figures: by name.
        findings: predictions with their measurements.
        numbers: numbers that the README quotes, by name.
        unreported: experiments that cannot be reported; a README keeps its text on them.
    """

    tables: dict[str, tuple[str, Table]] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)
    unreported: frozenset[str] = frozenset()

    def all_tables(self) -> dict[str, tuple[str, Table]]:
        """Return all tables, with the table of findings first."""
        words = {True: "yes", False: "**no**", None: "open"}
        rows = [[f.prediction, f.measured, words[f.held]] for f in self.findings]
        if not rows:
            return self.tables
        table = Table(["predicted", "measured", "held"], rows, n_words=3)
        return {FINDINGS: ("Predictions", table), **self.tables}

    def files(self, foot: str) -> dict[str, bytes]:
        """Return the content of each file of the results' folder, by name."""
        contents = {
            f"{name}.md": f"{caption}\n\n{table.markdown()}\n\n{foot}\n".encode()
            for name, (caption, table) in self.all_tables().items()
        }
        return contents | {
            f"{name}.png": _png(figure, foot) for name, figure in self.figures.items()
        }

    def write(self, folder: Path, foot: str) -> None:
        """Write all files, each atomically."""
        for name, content in self.files(foot).items():
            with write_atomically(folder / name) as file:
                file.write(content)

    def text(self) -> str:
        """Format for a terminal."""
        parts = [f"{caption}\n\n{table.text()}" for caption, table in self.tables.values()]
        words = {True: "as predicted", False: "NOT as predicted", None: "open"}
        parts += [f"{words[f.held]}: {f.prediction}\n  {f.measured}" for f in self.findings]
        return "\n\n".join(parts)

    def fill(self, readme: str, foot: str = "") -> str:
        """Return the README with its blocks and numbers filled in.

        Raises:
            KeyError: the README names a block or number that the report does not have.
        """
        tables = self.all_tables()

        def block(match: re.Match[str]) -> str:
            if self._keeps(match[2]):
                return match[0]
            if match[2] == FOOT:
                return f"{match[1]}\n<sub>{foot}</sub>\n\n{match[3]}"
            caption, table = tables[match[2]]
            return f"{match[1]}\n{caption}:\n\n{table.markdown()}\n\n{match[3]}"

        def number(match: re.Match[str]) -> str:
            if self._keeps(match[2]):
                return match[0]
            return f"{match[1]}{self.numbers[match[2]]}{match[3]}"

        return _NUMBER.sub(number, _BLOCK.sub(block, readme))

    def _keeps(self, key: str) -> bool:
        return key.partition(".")[0] in self.unreported

    def refresh(self, readme: Path, foot: str = "") -> None:
        """Fill a README in place."""
        write_text(readme, self.fill(readme.read_text(encoding="utf-8"), foot))


def combine(reports: Mapping[str, Report]) -> Report:
    """Combine reports for the project's README, under EXPERIMENT.TABLE and EXPERIMENT.NUMBER."""
    return Report(
        tables={f"{n}.{key}": value for n, r in reports.items() for key, value in r.tables.items()},
        numbers={
            f"{n}.{key}": value for n, r in reports.items() for key, value in r.numbers.items()
        },
    )


def listed(differences: Mapping[str, Interval]) -> str:
    """Format differences by name, on one line."""
    return ", ".join(f"{name} {interval.signed()}" for name, interval in differences.items())


def quoted(readme: str) -> Mapping[str, str]:
    """Return the numbers that a README quotes, as text by name."""
    return {m[2]: m[0].split("-->", 1)[1].rsplit("<!--", 1)[0] for m in _NUMBER.finditer(readme)}


def _png(figure: Figure, foot: str) -> bytes:
    figure.supxlabel(_wrapped(foot, figure), fontsize=5.5, color="0.35", x=0.01, ha="left")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130, metadata={"Software": None})
    return stream.getvalue()


def _wrapped(foot: str, figure: Figure) -> str:
    return fill(foot.replace("`", "").replace("$", r"\$"), int(figure.get_figwidth() * 21))
