"""The code to take away: the chosen head and rule in one's own network, and as an estimator."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from textwrap import fill
from typing import Any

from mlc.comparing.plain import decision, loss_and_scores
from mlc.config.registry import BACKBONES, DECISIONS, HEADS
from mlc.decisions.candidates import BY_WORDS
from mlc.heads.base import Head

_WIDTH = 88
_MOST_LINES = 30
# Of a threshold; far fewer are within the spread of several runs.
_DIGITS = 6


@dataclass(frozen=True)
class Settled:
    """A head and a rule with what several runs learned, averaged.

    Attributes:
        head: the head's name.
        head_options: the head's own options.
        rule: the rule's name; for `auto` the rule that most runs chose.
        rule_options: the rule's own options.
        fitted: what it learned: the mean threshold of the runs, or the middle k.
        labels: K names.
        n_runs: how many runs the numbers are the mean of.
        by_scores: whether the rule decides from the scores although the head has a joint distribution.
    """

    head: str
    head_options: dict[str, Any]
    rule: str
    rule_options: dict[str, Any]
    fitted: dict[str, Any]
    labels: tuple[str, ...]
    n_runs: int
    by_scores: bool = False


def settle(
    config: Mapping[str, Any], rule: str, stored: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> Settled:
    """Read what the chosen runs learned.

    Args:
        config: of one of the runs, nested.
        rule: the chosen rule.
        stored: of each run, what its rules.json says of the rule.
        labels: K names.
    """
    given = _without(config["head"], "name")
    options = {k: v for k, v in config["decision"][rule].items() if k != "name"}
    head_class = HEADS[config["head"]["name"]]
    natural = head_class.natural_threshold(len(labels))
    alike, by_scores = list(stored), False
    if rule == "auto":
        words, _ = Counter(str(run["chosen"]) for run in stored).most_common(1)[0]
        alike = [run["learned"].get(words, {}) for run in stored if run["chosen"] == words]
        chosen = BY_WORDS[words]
        built = chosen.build(options["metric"], natural)
        rule, options = chosen.rule, dataclasses.asdict(built.options)
        by_scores = DECISIONS[rule].needs[0] == "joint" and not chosen.by_joint
    fitted = _averaged(rule, alike, options, head_class, len(labels))
    return Settled(
        head_class.name, given, rule, options, fitted, tuple(labels), len(alike), by_scores
    )


def _averaged(
    rule: str, runs: Sequence[Mapping[str, Any]], options: dict[str, Any], head: Any, n_labels: int
) -> dict[str, Any]:
    if rule == "fixed":
        stated = options.get("threshold")
        return {"threshold": head.natural_threshold(n_labels) if stated is None else stated}
    if rule == "top_k":
        return {"k": sorted(int(own["k"]) for own in runs)[len(runs) // 2]}
    if rule == "per_label":
        columns = zip(*(own["threshold"] for own in runs), strict=True)
        return {"threshold": [round(fmean(column), _DIGITS) for column in columns]}
    if rule in ("global", "oracle"):
        return {"threshold": round(fmean(float(own["threshold"]) for own in runs), _DIGITS)}
    return {}


def is_plain(settled: Settled) -> bool:
    """Whether plain PyTorch says it in thirty lines."""
    return _plain(settled) is not None


def network_code(settled: Settled) -> str:
    """The head and the rule for one's own network: plain PyTorch where it is short, else mlc."""
    return _plain(settled) or _with_library(settled)


def _plain(settled: Settled) -> str | None:
    n_labels = len(settled.labels)
    bodies = loss_and_scores(settled.head, settled.head_options, n_labels)
    decide = decision(settled.rule, settled.rule_options, settled.fitted, settled.head)
    if bodies is None or decide is None:
        return None
    head: type[Head] = HEADS[settled.head]
    n_outputs = head.count_outputs(n_labels, None)
    constants = []
    if settled.head == "powerset":
        shift = f"torch.arange({n_labels - 1}, -1, -1)"
        constants.append(
            f"LABEL_SETS = (torch.arange({n_outputs}).unsqueeze(1) >> {shift}) % 2 == 1"
        )
    if settled.rule == "per_label":
        numbers = ", ".join(repr(value) for value in settled.fitted["threshold"])
        constants.append(_folded(f"THRESHOLDS = torch.tensor([{numbers}], dtype=torch.float64)"))
    lines = [
        *_imports(bodies[0]),
        *constants,
        f"output = nn.Linear(N_FEATURES, {n_outputs})  # the last layer of your network",
        *_function("loss(outputs, targets)", "One number for each sample: (B,).", bodies[0]),
        *_function("scores(outputs)", "In [0, 1], for each label: (B, K).", bodies[1]),
        *_function("decide(outputs)", _said_of_rule(settled), decide),
    ]
    code = "\n".join(lines) + "\n"
    n_lines = sum(bool(line.strip()) for line in code.splitlines())
    return code if n_lines <= _MOST_LINES + len(constants) * n_labels else None


def _imports(loss: Sequence[str]) -> list[str]:
    uses = any("F." in line for line in loss)
    functional = ["from torch.nn import functional as F"] if uses else []
    return ["import torch", "from torch import nn", *functional, ""]


def _function(signature: str, said: str, body: Sequence[str]) -> list[str]:
    return ["", "", f"def {signature}:", f'    """{said}"""', *(f"    {line}" for line in body)]


def _said_of_rule(settled: Settled) -> str:
    if settled.rule in ("global", "per_label"):
        of = f"mean of {settled.n_runs} runs" if settled.n_runs > 1 else "of one run"
        return f"Label sets (B, K); thresholds: {of}, tune them again on your validation rows."
    return "Label sets: (B, K), bool."


def _folded(line: str) -> str:
    return line if len(line) <= _WIDTH else fill(line, _WIDTH, subsequent_indent="    ")


def _with_library(settled: Settled) -> str:
    n_labels = len(settled.labels)
    options = _arguments(_changed(HEADS, settled.head, settled.head_options))
    needs = ", targets=training_targets" if _needs_targets(settled) else ""
    build = (
        f'head = build_head("{settled.head}", n_features=N_FEATURES, n_labels={n_labels}{needs}'
        f"{options})"
    )
    rule = DECISIONS[settled.rule]
    changed = _arguments(_changed(DECISIONS, settled.rule, settled.rule_options))
    threshold = HEADS[settled.head].natural_threshold(n_labels)
    natural = "" if threshold == 0.5 else f", natural_threshold={threshold!r}"
    lines = [
        "from mlc.decisions import build_decision",
        "from mlc.heads import build_head",
        "",
        "# The last layer of your network.",
        build,
        f'rule = build_decision("{settled.rule}"{natural}{changed})',
    ]
    if settled.fitted and settled.rule != "fixed":
        lines.append(f"rule.restore({settled.fitted!r})  # or tune it again: rule.fit(...)")
    else:
        lines += ["rule.training_sets = training_targets"] * rule.uses_training_sets
        if rule.tuned_on != "nothing":
            lines.append("rule.fit(validation_scores, validation_targets)")
    taken = "head.predict(head(features))" + ".scores" * settled.by_scores
    return "\n".join([
        *lines,
        "",
        "loss = head.loss(head(features), targets).mean()",
        f"label_sets = rule.decide({taken})  # (B, K), bool",
        "",
    ])  # fmt: skip


def _needs_targets(settled: Settled) -> bool:
    """Whether the head must see the training labels, which most need with many labels only."""
    from mlc.config.errors import ConfigError
    from mlc.heads.plain import build_head

    try:
        build_head(settled.head, n_features=1, n_labels=len(settled.labels), **settled.head_options)
    except ConfigError:
        return True
    return False


def estimator_code(config: Mapping[str, Any], settled: Settled, defaults: Mapping[str, Any]) -> str:
    """The estimator in two lines, with the options that differ from its defaults.

    Args:
        config: of one of the runs, nested.
        settled: the head and rule.
        defaults: `MultiLabelClassifier().get_params(deep=False)`.
    """
    values: dict[str, Any] = {
        "head_options": _changed(HEADS, settled.head, settled.head_options),
        "decision": settled.rule,
        "decision_options": _changed(DECISIONS, settled.rule, settled.rule_options),
        **_network_options(config["backbone"]),
        "optimizer": config["optimizer"]["name"],
        **{key: config["optimizer"][key] for key in ("lr", "weight_decay", "schedule")},
        **{
            key: config["trainer"][key]
            for key in ("max_epochs", "batch_size", "monitor", "patience")
        },
    }
    if isinstance(config["data"].get("text"), str):
        values["text"] = config["data"]["text"]
    changed = {
        key: value
        for key, value in values.items()
        if value not in (None, {}) and _listed(defaults[key]) != value
    }
    arguments = [f'"{settled.head}"', *(f"{key}={value!r}" for key, value in changed.items())]
    call = f"classifier = MultiLabelClassifier({', '.join(arguments)}).fit(X, y)"
    if len(call) > _WIDTH:
        inner = fill(", ".join(arguments), _WIDTH - 4, break_long_words=False)
        lines = "\n".join(f"    {line}" for line in inner.splitlines())
        call = f"classifier = MultiLabelClassifier(\n{lines}\n).fit(X, y)"
    return f"from mlc import MultiLabelClassifier\n\n{call}\n"


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _network_options(backbone: Mapping[str, Any]) -> dict[str, Any]:
    own = ("widths", "dropout", "activation", "normalization")
    if backbone["name"] == "mlp" and not backbone.get("separate"):
        return {key: backbone[key] for key in own}
    options = _changed(BACKBONES, backbone["name"], _without(backbone, "name"))
    return {"backbone": backbone["name"], "backbone_options": options}


def _changed(registry: Any, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from their defaults."""
    defaults = dataclasses.asdict(registry[name].Options())
    return {
        key: value for key, value in options.items() if _listed(defaults[key]) != _listed(value)
    }


def _without(options: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != key}


def _arguments(values: Mapping[str, Any]) -> str:
    return "".join(f", {key}={value!r}" for key, value in values.items())
