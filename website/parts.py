"""The pages of heads, decision rules and the Python interface, from the code and the stored results."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path

from mlc.config.registry import DECISIONS
from mlc.heads.base import HEADS
from mlc.heads.catalogue import INTRODUCTION, linked, options_of, section, table

ROOT = Path(__file__).parent.parent
LEAGUE = ROOT / "results" / "league"
# The columns of a head's results, and the tables that hold them.
COLUMNS = {
    "Jaccard index": "jaccard_samples",
    "less sigmoid": "against_sigmoid",
    "macro F1": "f1_macro",
    "exact sets": "subset_accuracy",
}
# The modules of the Python interface; their names are those of __all__ where none are given.
INTERFACE: dict[str, tuple[str, ...]] = {
    "mlc": (),
    "mlc.heads": (),
    "mlc.decisions": (),
    "mlc.data": (),
    "mlc.data.base": ("SplitOptions", "HoldOutOptions", "DataOptions"),
    "mlc.backbones": (),
    "mlc.metrics": (),
    "mlc.layers": (),
    "mlc.training.stacked": ("StackedOptimizer", "OptimizerOptions", "register_optimizer"),
    "mlc.config.options": ("option", "Interval", "Choice"),
    "mlc.config.errors": ("MlcError", "ConfigError", "DataError", "RunFolderError"),
}


def pages() -> dict[str, str]:
    """Return the generated pages by path."""
    generated = {f"docs/heads/{name}.md": head_page(name) for name in HEADS}
    generated |= {f"docs/decisions/{name}.md": rule_page(name) for name in DECISIONS}
    generated |= {f"docs/api/{module}.md": interface_page(module) for module in INTERFACE}
    return generated | {"docs/heads.md": heads_index(), "docs/decisions.md": rules_index()}


def heads_index() -> str:
    """Return the table of all heads, each of which has a page."""
    ranks = {name: row["rank"] for name, row in rows_of(LEAGUE / "jaccard_samples.md").items()}
    index = table({name: f"heads/{name}.md" for name in HEADS}, rank=ranks)
    note = "The rank is the mean over the data sets of the [league](../experiments/league).\n"
    return "\n".join(["# Heads", "", INTRODUCTION, note, index])


def rules_index() -> str:
    """Return docs/decisions.md with a link from each rule of its table to the page of the rule."""
    text = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    return re.sub(
        r"^\| (`.*?) \|",
        lambda cell: re.sub(r"`(\w+)(\*?)`", r"[`\1\2`](decisions/\1.md)", cell[0]),
        text,
        flags=re.MULTILINE,
    )


def head_page(name: str) -> str:
    """Return the page of a head."""
    code = source_of(HEADS[name])
    return "\n".join(
        [
            f"# {name}\n",
            section(name, "docs/heads"),
            f"**Code**: [{code}](../../{code}). On the command line `head={name}`; in Python"
            f' `build_head("{name}", n_features=64, n_labels=5)` or `MultiLabelClassifier("{name}")`.\n',
            "## Results in the league\n",
            head_results(name),
        ]
    )


def head_results(name: str) -> str:
    """Return the test values of a head on each data set of the league."""
    tables = {title: rows_of(LEAGUE / f"{file}.md") for title, file in COLUMNS.items()}
    rows = {title: table.get(name, {}) for title, table in tables.items()}
    if not any(rows.values()):
        return "The [league](../../experiments/league) has no rows of this head.\n"
    links = [f"[{title}](../../results/league/{file}.md)" for title, file in COLUMNS.items()]
    lines = [["data", *links], ["---", *["---:"] * len(links)]]
    for data in rows["Jaccard index"] or rows["macro F1"]:
        if data != "head":
            lines.append([data, *(row.get(data, "-") for row in rows.values())])
    note = (
        "Test rows, with the configuration and the rule chosen on validation rows, ± half the 95%"
        " interval over seeds. `>` marks the best head of a data set; the rank is the mean over the"
        " data sets. [How it was measured](../../experiments/league).\n"
    )
    return "\n".join(["".join(f"| {' | '.join(cells)} |\n" for cells in lines), note])


def rule_page(name: str) -> str:
    """Return the page of a decision rule."""
    rule = DECISIONS[name]
    code = source_of(rule)
    text = inspect.getdoc(rule) or ""
    for title, word in (("Use it", "Use"), ("Avoid it", "Avoid"), ("Source", "Source")):
        text = re.sub(rf"^{word}: ", f"**{title}**: ", text, flags=re.MULTILINE)
    text = re.sub(r"\n(Attributes:.*?)(?=\n\n\*\*|\Z)", "", text, flags=re.DOTALL)
    parts = [
        f"# {name}\n",
        linked(text, "docs/decisions") + "\n",
        f"**Takes**: {', '.join(rule.needs)}. **Tuned on**: {rule.tuned_on}.\n",
        f"**Options**: {'; '.join(options_of(rule.Options)) or 'none'}.\n",
        f"**Code**: [{code}](../../{code}). On the command line `'decisions=[{name}]'`; in Python"
        f' `build_decision("{name}")`.\n',
    ]
    return "\n".join([*parts, *rule_results(name)])


def rule_results(name: str) -> list[str]:
    """Return the row of a rule in the league, or nothing."""
    row = rows_of(LEAGUE / "rules.md").get(name)
    if row is None:
        return []
    lines = [f"| {data} | {value} |" for data, value in row.items() if data != "rule"]
    note = (
        "Test Jaccard index less that of `global`, on the mean of the heads that can take the rule, ±"
        " half the 95% interval over seeds ([all rules](../../results/league/rules.md)).\n"
    )
    return [
        "## Results in the league\n",
        note,
        "| data | less `global` |",
        "| --- | ---: |",
        *lines,
        "",
    ]


def rows_of(file: Path) -> dict[str, dict[str, str]]:
    """Read a table in Markdown: each row by its first cell, its cells by their column."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    headings, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {cells[0]: dict(zip(headings, cells, strict=True)) for cells in rows}


def source_of(part: type) -> str:
    """Return the path of the file that defines a class, in the repository."""
    file = Path(str(sys.modules[part.__module__].__file__))
    return file.relative_to(ROOT).as_posix()


def interface_page(module: str) -> str:
    """Return the page of a module, which mkdocstrings fills."""
    blocks = [f"::: {module}.{name}" for name in public_names(module)]
    summary = f"::: {module}\n    options:\n      members: false\n      show_root_heading: false"
    return "\n\n".join([f"# {module}", summary, *blocks, ""])


def public_names(module: str) -> list[str]:
    """Return the public names of a module."""
    loaded = importlib.import_module(module)
    names = INTERFACE[module] or loaded.__all__
    return [name for name in names if not name.startswith("__")]
