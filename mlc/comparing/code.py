"""The code to take away for one's own network: the chosen head and rule."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from mlc.comparing.lines import call, changed, literals
from mlc.comparing.plain import decision, loss_and_scores
from mlc.comparing.settled import Settled
from mlc.config.errors import ConfigError
from mlc.config.registry import DECISIONS, HEADS
from mlc.heads.base import Head
from mlc.heads.plain import build_head

_MOST_STATEMENTS = 30
_N_FEATURES = (
    "# How many numbers your network's last hidden layer has: put it here.\nN_FEATURES = 128"
)
# What `auto` is fitted on: more than scores where the head has a joint distribution.
_VALIDATION = {"auto": "head.predict(head(validation_features))"}


def is_plain(settled: Settled) -> bool:
    """Whether plain PyTorch says it in thirty statements."""
    return _plain(settled) is not None


def network_code(settled: Settled) -> str:
    """The head and the rule for one's own network: plain PyTorch where it is short, else mlc."""
    return _plain(settled) or _with_library(settled)


def _plain(settled: Settled) -> str | None:
    n_labels = len(settled.model.labels)
    bodies = loss_and_scores(settled.model.name, settled.model.options, n_labels)
    decide = decision(settled.rule, settled.rule_options, settled.fitted, settled.model.name)
    if bodies is None or decide is None:
        return None
    head: type[Head] = HEADS[settled.model.name]
    n_outputs = head.count_outputs(n_labels, None)
    constants = []
    if settled.model.name == "powerset":
        constants += [
            f"PLACES = torch.arange({n_labels - 1}, -1, -1)",
            f"LABEL_SETS = (torch.arange({n_outputs}).unsqueeze(1) >> PLACES) % 2 == 1",
        ]
    if settled.rule == "per_label":
        numbers = ", ".join(repr(value) for value in settled.fitted["threshold"])
        constants.append(
            call("THRESHOLDS = torch.tensor", [f"[{numbers}]"], {"dtype": "torch.float64"})
        )
    lines = [
        *_imports(bodies[0]),
        *constants,
        _N_FEATURES,
        f"output = nn.Linear(N_FEATURES, {n_outputs})",
        *_function(
            "loss(outputs, targets)",
            "Of each sample: (B,); targets: floats (B, K).",
            bodies[0],
        ),
        *_function("scores(outputs)", "In [0, 1], for each label: (B, K).", bodies[1]),
        *_function("decide(outputs)", "Label sets: (B, K), bool.", decide),
    ]
    code = "\n".join(lines) + "\n"
    n_statements = sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(code)))
    return code if n_statements <= _MOST_STATEMENTS else None


def _imports(loss: Sequence[str]) -> list[str]:
    uses = any("F." in line for line in loss)
    functional = ["from torch.nn import functional as F"] if uses else []
    return ["import torch", "from torch import nn", *functional, ""]


def _function(signature: str, summary: str, body: Sequence[str]) -> list[str]:
    return ["", "", f"def {signature}:", f'    """{summary}"""', *(f"    {line}" for line in body)]


def _with_library(settled: Settled) -> str:
    needs = {"targets": "training_targets"} if _needs_targets(settled) else {}
    arguments = {
        "n_features": "N_FEATURES",
        "n_labels": str(len(settled.model.labels)),
        **needs,
        **literals(changed(HEADS, settled.model.name, settled.model.options)),
    }
    taken = "head.predict(head(features))" + ".scores" * settled.by_scores
    return "\n".join([
        "from mlc.decisions import build_decision",
        "from mlc.heads import build_head",
        "",
        _N_FEATURES,
        call("head = build_head", [repr(settled.model.name)], arguments),
        *rule_lines(settled, _VALIDATION.get(settled.rule, "validation_scores"), "validation_targets"),
        "",
        "loss = head.loss(head(features), targets).mean()",
        f"label_sets = rule.decide({taken})  # (B, K), bool",
        "",
    ])  # fmt: skip


def rule_lines(settled: Settled, scores: str, targets: str) -> list[str]:
    """The lines that build the rule, with its numbers or with a call of `fit`.

    Args:
        settled: the rule.
        scores: the name of the validation scores in the code.
        targets: the name of their targets.
    """
    rule = DECISIONS[settled.rule]
    natural = settled.model.natural
    given = {} if natural == 0.5 else {"natural_threshold": repr(natural)}
    options = literals(changed(DECISIONS, settled.rule, settled.rule_options))
    lines = [call("rule = build_decision", [repr(settled.rule)], {**given, **options})]
    if settled.fitted and settled.rule != "fixed":
        lines += ["# Or tune it again: rule.fit(...)", call("rule.restore", [repr(settled.fitted)])]
        return lines
    lines += ["rule.training_sets = training_targets"] * rule.uses_training_sets
    if rule.tuned_on != "nothing":
        lines.append(f"rule.fit({scores}, {targets})")
    return lines


def _needs_targets(settled: Settled) -> bool:
    """Whether the head must see the training labels, which most need with many labels only."""
    try:
        build_head(
            settled.model.name,
            n_features=1,
            n_labels=len(settled.model.labels),
            **settled.model.options,
        )
    except ConfigError:
        return True
    return False
