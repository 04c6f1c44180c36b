"""The code of an answer: for the choice, for the best network, and for the reference."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.comparing.answer import Answer
from mlc.comparing.candidates import Candidate
from mlc.comparing.code import is_plain, network_code
from mlc.comparing.linear import CONSTANT
from mlc.comparing.linear_script import linear_code
from mlc.comparing.lines import comment
from mlc.comparing.rivals import Rivals
from mlc.comparing.scripts import constant_code, estimator_code
from mlc.comparing.settled import (
    Model,
    Settled,
    provenance,
    settle,
    value_of,
    without_poor_average,
)
from mlc.config.quoting import shell_word
from mlc.config.registry import DECISIONS, HEADS
from mlc.files.names import PREDICTIONS, PREPROCESSING, RULES
from mlc.files.reading import read_arrays
from mlc.reporting.collect import Results
from mlc.runs.folder import read_stored


def take_away(
    answer: Answer, results: Results, defaults: Mapping[str, Any], rivals: Rivals | None = None
) -> dict[str, str]:
    """The code by its title: of the chosen head, of the reference where the head does not lead it, and
    of the linear model or constant beside it where that does not trail the head beyond chance.

    Args:
        answer: the answer.
        results: of the search.
        defaults: `MultiLabelClassifier().get_params(deep=False)`.
        rivals: the linear models and constants that were compared.
    """
    code: dict[str, str] = {}
    code |= _code_of_head(answer, answer.chosen, results, defaults, rivals)
    if not answer.leads and answer.chosen.head != answer.reference:
        reference = answer.heads[answer.reference][0]
        code |= _code_of_head(answer, reference, results, defaults, rivals)
    rival = answer.rival
    if rivals is not None and rival is not None:
        gap = answer.from_chosen[rival.head]
        if gap.mean > 0 or not gap.is_clear:
            code |= _code_of_rival(answer, rival, results, rivals)
    return code


def commands(answer: Answer, results: Results, within: Path) -> list[str]:
    """The commands that predict new rows with a network of the comparison, and export it.

    The network is that of the chosen head on the first split, decided by the chosen rule. The exported
    file goes into `within`, the comparison's folder.
    """
    run = next(iter(answer.chosen.runs.values()))
    folder = _shell(results.folders[run])
    rule = f"--rule {answer.chosen.rule}"
    return [
        f"mlc-predict {folder} NEW_FILE {rule} --output labels.csv",
        f"mlc-export {folder} {rule} --output {_shell(within / 'exported' / 'model.onnx')}",
    ]


def _shell(path: Path) -> str:
    text = str(path)
    return text if re.fullmatch(r"[\w./=,+-]+", text) else shell_word(text)


def _code_of_head(
    answer: Answer,
    candidate: Candidate,
    results: Results,
    defaults: Mapping[str, Any],
    rivals: Rivals | None,
) -> dict[str, str]:
    folders = [results.folders[run] for run in candidate.runs.values()]
    stored = [read_stored(folder / RULES)[candidate.rule] for folder in folders]
    config = next(results.statuses[run]["config"] for run in candidate.runs.values())
    labels = tuple(str(name) for name in read_arrays(folders[0] / PREPROCESSING)["label_names"])
    head = HEADS[candidate.head]
    options = {key: value for key, value in config["head"].items() if key != "name"}
    model = Model(candidate.head, options, head.natural_threshold(len(labels)), labels)
    rule_options = completed(candidate.rule, config["decision"][candidate.rule], stored[0])
    settled = settle(model, candidate.rule, rule_options, stored)
    predictions = [read_arrays(folder / PREDICTIONS) for folder in folders]
    scores, targets = ([each[name] for each in predictions] for name in ("scores", "targets"))
    settled, above = _as_printed(answer, candidate, settled, scores, targets)
    made_of = "in plain PyTorch" if is_plain(settled) else "with mlc"
    name = f"{candidate.head} with {candidate.rule}"
    dataset = None if rivals is None else rivals.dataset
    return {
        f"{name} in your own network, {made_of}": "\n".join([*above, network_code(settled)]),
        f"{name} as an estimator": estimator_code(config, settled, defaults, dataset),
    }


def completed(rule: str, options: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """A rule's options with what it took from the head, as in groups; `stored` is of its rules.json."""
    kind = DECISIONS[rule]
    own = {key: value for key, value in options.items() if key != "name"}
    restored = kind(kind.Options(**own)).restore(stored)
    return {key: getattr(restored.options, key) for key in own}


def _code_of_rival(
    answer: Answer, candidate: Candidate, results: Results, rivals: Rivals
) -> dict[str, str]:
    labels = rivals.dataset.label_names
    title = f"{candidate.head} with {candidate.rule}"
    if candidate.head in CONSTANT:
        decided = rivals.decisions(candidate)[0][0]
        names = [label for label, is_on in zip(labels, decided, strict=True) if is_on]
        return {title: constant_code(names)}
    config = next(iter(results.statuses.values()))["config"]
    model = Model(candidate.head, candidate.settings, rivals.natural(candidate), labels)
    options = config["decision"][candidate.rule]
    settled = settle(model, candidate.rule, options, rivals.learned(candidate))
    scores, targets = rivals.test_scores(candidate), rivals.test_targets()
    settled, above = _as_printed(answer, candidate, settled, scores, targets)
    code = linear_code(config, settled, rivals.dataset)
    return {f"{title}, by scikit-learn": "\n".join([*above, code])}


def _as_printed(
    answer: Answer,
    candidate: Candidate,
    settled: Settled,
    scores: Sequence[NDArray[np.floating]],
    targets: Sequence[NDArray[np.bool_]],
) -> tuple[Settled, list[str]]:
    """The rule as it is printed, and the comment above it: what its numbers are and what they are worth.

    Args:
        answer: the answer.
        candidate: what the code is for.
        settled: its rule.
        scores: of the test rows of each run, (N, K).
        targets: likewise.
    """
    printed = value_of(settled, scores, targets, answer.metric)
    loss = None if printed is None else answer.sign * (candidate.test - printed)
    settled = without_poor_average(settled, loss, answer.margin)
    lines = provenance(settled, answer.metric, candidate.test, printed)
    return settled, [comment(" ".join(lines))] if lines else []
