"""Where a quoted number comes from: the function that computes it, and the rows that it reads."""

from __future__ import annotations

import ast
import re
from functools import cache

from experiments.harness.experiment import ROOT
from mlc.config.errors import ConfigError

# What the interval of a number is over, by patterns of names; of others over seeds.
_OVER = (
    (r"league\.(sigmoid_fixed_loss|sigmoid_behind_mean)", "data sets"),
    (
        r"equal_budgets\.(gain|ahead_by_data)_\w+|equal_budgets\.joint_exact_ahead",
        "seeds and test rows",
    ),
    (r"equal_budgets\.\w+", "data sets"),
    (r"learned_features\.(split|transfer)_\w+", "data sets"),
    (r"guarantees\.\w+", "worlds, one for each seed"),
    # A published split.
    (r"results/benchmarks/defaults_vs_linear\.csv\[data=goemotions,.+", "test rows"),
)


def over(name: str, value: str) -> str:
    """Return what the interval of a number is over; nothing if the number has none.

    Args:
        name: of the number, or what carries a claim.
        value: the number, or the carrier again.
    """
    if "±" not in value:
        return ""
    return next((what for pattern, what in _OVER if re.fullmatch(pattern, name)), "seeds")


def origin(name: str) -> str:
    """Return the function that names a number in the code of its experiment, as FILE:FUNCTION.

    Raises:
        ConfigError: none does.
    """
    experiment, _, key = name.partition(".")
    for pattern, place in _named(experiment):
        if re.fullmatch(pattern, key):
            return place
    raise ConfigError(f"No function of experiments/{experiment} names the number {key!r}.")


@cache
def _named(experiment: str) -> list[tuple[str, str]]:
    """Return the strings in the code of an experiment as patterns, each with its function.

    Whole strings come before those with parts that the code fills in.
    """
    named = []
    for path in sorted((ROOT / experiment).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                place = f"{path.relative_to(ROOT.parent).as_posix()}:{function.name}"
                named += [(p, place) for node in ast.walk(function) if (p := _pattern(node))]
    return sorted(named, key=lambda pair: ".+" in pair[0])


def _pattern(node: ast.AST) -> str:
    """Return the pattern of the texts that a string can become."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value) if re.fullmatch(r"\w+", node.value) else ""
    if isinstance(node, ast.JoinedStr):
        parts = [
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"
            for part in node.values
        ]
        return "".join(parts) if len("".join(parts).replace(".+", "")) > 2 else ""
    if isinstance(node, ast.keyword) and node.arg:
        return re.escape(node.arg)
    return ""
