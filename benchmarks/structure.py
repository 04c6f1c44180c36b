"""A figure of the packages of mlc and their imports.

python -m benchmarks.structure docs/images/packages.png
python -m benchmarks.structure --tree ANOTHER_CHECKOUT before.png
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from textwrap import shorten

from matplotlib.figure import Figure

PACKAGE = Path(__file__).parent.parent / "mlc"
LONGEST = 92  # Characters of a purpose.


def imports(package: Path) -> Counter[tuple[str, str]]:
    """Count the modules of one part that import from another; parts are packages and modules."""
    counts: Counter[tuple[str, str]] = Counter()
    for file in sorted(package.rglob("*.py")):
        if file == package / "__init__.py":
            continue
        part = part_of(file.relative_to(package))
        others = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            others |= {module.split(".")[1] for module in modules if module.startswith("mlc.")}
        counts.update((part, other) for other in others - {part} if exists(package, other))
    return counts


def part_of(file: Path) -> str:
    """Return the package of a module, or the module itself if it is a command or in no package."""
    if file.name == "__main__.py":
        return f"{file.parts[0]} (command)"
    return file.parts[0].removesuffix(".py")


def exists(package: Path, part: str) -> bool:
    """Return whether a name is a part rather than an attribute of the package."""
    return (package / part).is_dir() or (package / f"{part}.py").is_file()


def order(edges: Counter[tuple[str, str]], package: Path) -> list[str]:
    """Return all parts, each after the parts that it imports from; the most imported packages first.

    Raises:
        SystemExit: the imports are cyclic.
    """
    importers = Counter(other for _, other in edges)
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for part, other in edges:
        sorter.add(part, other)
    try:
        sorter.prepare()
    except CycleError as error:
        raise SystemExit(f"Cyclic imports: {' -> '.join(error.args[1])}.") from error
    parts: list[str] = []
    ready: set[str] = set()
    while sorter.is_active():
        ready.update(sorter.get_ready())
        part = min(ready, key=lambda name: (not (package / name).is_dir(), -importers[name], name))
        ready.remove(part)
        sorter.done(part)
        parts.append(part)
    return parts


def purpose(package: Path, part: str) -> str:
    """Return the first sentence of a part's docstring, without what follows a colon."""
    folder, command, _ = part.partition(" (")
    file = package / folder / ("__main__.py" if command else "__init__.py")
    file = file if file.is_file() else package / f"{folder}.py"
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    text = text.partition("\n")[0].removeprefix("Entry point: ").rstrip(".")
    head, _, rest = text.partition(": ")
    text = rest if rest and head.lower().split()[-1] == folder else text
    return shorten(text[:1].upper() + text[1:], LONGEST, placeholder=" ...")


def n_lines(package: Path, part: str) -> int:
    """Count the lines of a part; a package's command belongs to the package."""
    files = list((package / part).rglob("*.py")) or [package / f"{part}.py"]
    return sum(
        len(file.read_text(encoding="utf-8").splitlines()) for file in files if file.is_file()
    )


def draw(edges: Counter[tuple[str, str]], package: Path) -> Figure:
    """Draw a matrix with a row per part and a dot for each part that it imports from."""
    parts = order(edges, package)
    n, index = len(parts), {part: number for number, part in enumerate(parts)}
    figure = Figure(figsize=(0.24 * n, 0.24 * n))
    axes = figure.add_axes((0, 0, 1, 1))
    for row in range(n):
        axes.axhspan(row - 0.5, row + 0.5, color="0.95" if row % 2 else "white", linewidth=0)
    axes.plot(range(n), range(n), "s", color="0.75", markersize=9)
    x, y = zip(*((index[other], index[importer]) for importer, other in edges), strict=True)
    axes.scatter(x, y, s=[15 + 4 * n_modules for n_modules in edges.values()], color="#4477aa")
    axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
    axes.set_yticks(range(n), parts, fontsize=9)
    axes.xaxis.tick_top()
    axes.set_xticks(range(n), parts, fontsize=9, rotation=90)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    for row, part in enumerate(parts):
        lines = n_lines(package, part)
        axes.text(n + 1.4, row, f"{lines:,}" if lines else "", ha="right", va="center", fontsize=8)
        axes.text(n + 1.8, row, purpose(package, part), va="center", fontsize=8, color="0.35")
    axes.set_title(
        f"{n} parts, {len(edges)} imports: a row's dots are the parts that it imports from,"
        " larger for more modules;\nno dot is right of the diagonal, so imports go one way."
        " Right: lines and purpose.",
        fontsize=9, loc="left", x=-0.2,
    )  # fmt: skip
    return figure


def main() -> None:
    """Draw the figure of this or another checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--tree", type=Path, default=PACKAGE.parent)
    arguments = parser.parse_args()
    package = arguments.tree / "mlc"
    draw(imports(package), package).savefig(arguments.output, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
