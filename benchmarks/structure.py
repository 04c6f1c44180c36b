"""A figure of the packages of mlc and their imports.

python -m benchmarks.structure docs/images/packages.svg
python -m benchmarks.structure --tree ANOTHER_CHECKOUT before.svg
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Arc

PACKAGE = Path(__file__).parent.parent / "mlc"


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


def order(edges: Counter[tuple[str, str]]) -> list[str]:
    """Return all parts, each after the parts that it imports from.

    Raises:
        SystemExit: the imports are cyclic.
    """
    graph: dict[str, set[str]] = {}
    for part, other in edges:
        graph.setdefault(part, set()).add(other)
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise SystemExit(f"Cyclic imports: {' -> '.join(error.args[1])}.") from error


def draw(edges: Counter[tuple[str, str]], package: Path, title: str) -> Figure:
    """Draw a line per part and an arc per import, wider for more importing modules."""
    parts = order(edges)
    figure = Figure(figsize=(7, 0.32 * len(parts) + 1), layout="constrained")
    axes = figure.subplots()
    height = {part: -index for index, part in enumerate(parts)}
    for (importer, other), n_modules in edges.items():
        top, bottom = height[other], height[importer]
        axes.add_patch(
            Arc(
                (0, (top + bottom) / 2), 0.9 * (top - bottom), top - bottom, theta1=-90, theta2=90,
                linewidth=0.5 + 0.25 * n_modules, color="#4477aa", alpha=0.5,
            )
        )  # fmt: skip
    for part, y in height.items():
        files = list((package / part).rglob("*.py")) or [package / f"{part}.py"]
        lines = sum(
            len(file.read_text(encoding="utf-8").splitlines()) for file in files if file.is_file()
        )
        about = f"{part}  ({lines:,} lines)" if lines else part
        axes.text(-0.3, y, about, ha="right", va="center", fontsize=9)
        axes.plot(0, y, "o", color="black", markersize=3)
    axes.set_xlim(-0.45 * len(parts), 0.47 * len(parts))
    axes.set_ylim(-len(parts), 1)
    axes.set_axis_off()
    axes.set_title(f"{title}: {len(parts)} parts, {len(edges)} imports", fontsize=10)
    return figure


def main() -> None:
    """Draw the figure of this or another checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--tree", type=Path, default=PACKAGE.parent)
    arguments = parser.parse_args()
    package = arguments.tree / "mlc"
    title = "Each part imports from parts above it"
    draw(imports(package), package, title).savefig(arguments.output, dpi=150)


if __name__ == "__main__":
    main()
