"""The printed code, given a run's weights, decides every row as `mlc.load` and mlc-predict do."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import mlc
from mlc import MultiLabelClassifier
from mlc.comparing.code import is_plain, network_code
from mlc.comparing.plain import PLAIN_HEADS, PLAIN_RULES
from mlc.comparing.scripts import estimator_code
from mlc.comparing.settled import Model, Settled, settle
from mlc.comparing.take_away import completed
from mlc.config.registry import DECISIONS, HEADS
from mlc.data import load_data, load_features
from mlc.decisions.base import DecisionRule
from mlc.evaluation.judging import describe
from mlc.evaluation.predictor import Predictor
from mlc.files.names import RULES
from mlc.predict import main as mlc_predict
from mlc.runs.folder import read_stored
from mlc.train import main as mlc_train
from tests.cases import options_for
from tests.conftest import Command
from tests.exporting.predictors import drawn_predictor, features_of, targets_of

K, WIDTH = 3, 6
# Rules whose code calls the library; the choices of auto are in test_code.py.
LIBRARY_RULES = ("conformal", "expected_jaccard", "groups", "seen")


def rules_for(head: str) -> Iterator[DecisionRule]:
    """The rules that suit a head, not fitted."""
    natural = HEADS[head].natural_threshold(K)
    for name in (*PLAIN_RULES, *LIBRARY_RULES):
        rule = DECISIONS[name]
        provides = HEADS[head].provides()
        if rule.input_from(provides) is None:
            continue
        for option in ({}, {"at_least_one": True}):
            if set(option) <= set(vars(rule.Options())):
                own = {**options_for(name, K), **option}
                built = rule(DECISIONS.options(name, **own), natural).suit(None, provides, K)
                if built.lacks is None:
                    yield built


def settled_of(predictor: Predictor, rule: DecisionRule) -> Settled:
    """What a comparison with one run prints."""
    head = predictor.model.head
    options, head_options = (
        {key: value for key, value in vars(part.options).items() if key != "name"}
        for part in (rule, head)
    )
    model = Model(
        head.name,
        head_options,
        rule.natural_threshold,
        predictor.label_names,
    )
    return settle(model, rule.name, options, [describe(rule)])


def head_inputs(predictor: Predictor, features: Any) -> Tensor:
    """The numbers of the last hidden layer, which are the features of the printed code: (N, WIDTH)."""
    inputs: list[Tensor] = []
    hook = predictor.model.head.register_forward_pre_hook(
        lambda module, arguments: inputs.append(arguments[0][0].detach())
    )
    predictor.scores(features)
    hook.remove()
    return torch.cat(inputs)


def decided_by_code(settled: Settled, predictor: Predictor, names: dict[str, Any]) -> Tensor:
    """Run the printed code with the weights of the predictor: (N, K), bool."""
    code = network_code(settled).replace("N_FEATURES = 128\n", f"N_FEATURES = {WIDTH}\n")
    head = predictor.model.head
    with torch.no_grad():
        if is_plain(settled):
            exec(code, names)
            output: Any = head.output
            names["output"].weight.copy_(output.weight[0].T)
            names["output"].bias.copy_(output.bias[0].flatten())
            return names["decide"](names["output"](names["features"]))  # type: ignore[no-any-return]
        building, rest = code.split("rule = build_decision", 1)
        exec(building, names)
        names["head"].head.load_state_dict(head.state_dict())
        exec("rule = build_decision" + rest, names)
    return names["label_sets"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("head", HEADS)
def test_every_head_and_rule_decides_as_the_predictor(head: str) -> None:
    predictor = drawn_predictor(head, n_labels=K)
    targets = torch.as_tensor(targets_of(K))
    new = np.random.default_rng(5).normal(size=(200, 4)).astype(np.float32)
    names = {
        "training_targets": targets,
        "validation_scores": torch.as_tensor(predictor.scores(features_of())),
        "validation_targets": targets,
        "targets": torch.zeros(len(new), K),
        "features": head_inputs(predictor, new),
    }
    held = predictor._held(features_of(), None)
    n_plain = n_rules = 0
    for rule in rules_for(head):
        rule.training_sets = targets
        predictor.rule = rule.fit(held, targets)
        settled = settled_of(predictor, rule)
        decided = decided_by_code(settled, predictor, dict(names))
        np.testing.assert_array_equal(decided, predictor.predict(new), err_msg=f"{rule!r}")
        n_plain, n_rules = n_plain + is_plain(settled), n_rules + 1
    assert n_rules >= 6
    assert (n_plain >= 6) == (head in PLAIN_HEADS)


def test_groups_of_the_head_are_printed_with_the_rule() -> None:
    options = vars(DECISIONS["groups"].Options())
    rule = DECISIONS["groups"](DECISIONS.options("groups"), 0.5)
    rule.suit(HEADS.options("grouped", groups=[[2, 0]]), {"marginals"}, K)
    printed = completed("groups", options, describe(rule))
    assert printed == {**options, "groups": [[2, 0]], "none": True}
    code = network_code(settle(Model("sigmoid", {}, 0.5, ("a", "b", "c")), "groups", printed, [{}]))
    assert 'build_decision("groups", groups=[[2, 0]], none=True)' in code.replace("'", '"')


def test_thresholds_close_to_0_and_1_keep_their_digits() -> None:
    """By hand: scores of many labels are small, and rounding to six decimals would decide all alike."""
    model = Model("softmax_all", {}, None, ("a", "b"))
    options = dataclasses.asdict(DECISIONS["per_label"].Options())
    one = settle(model, "per_label", options, [{"threshold": [1 / 3, 3.21e-7]}])
    assert one.fitted == {"threshold": [1 / 3, 3.21e-7]}
    two = [{"threshold": [0.25, 3e-7]}, {"threshold": [0.2500005, 4e-7]}]
    assert settle(model, "per_label", options, two).fitted == {"threshold": [0.25, 3.5e-7]}
    for values, mean in (([0.0, 0.0], 0.0), ([1.0, 1 - 2e-9], 1 - 1e-9), ([1.5, 1.5], 1.5)):
        stored = [{"threshold": value} for value in values]
        fitted = settle(model, "global", options, stored).fitted["threshold"]
        assert fitted == pytest.approx(mean, rel=1e-13)


TABLE = "age,kind,day,seen,red,blue\n" + "".join(
    f"{row % 9 if row % 7 else ''},{'ab '[row % 3].strip()},2020-01-0{row % 9 + 1},{row % 2},"
    f"{'yes' if row % 9 > 4 else 'no'},{'yes' if row % 3 == 0 else 'no'}\n"
    for row in range(60)
)
# Columns in another order, one more, a new category, empty cells.
NEW_TABLE = "kind,seen,extra,day,age\nb,1,q,2020-01-03,5\n,0,,,\nzz,1,q,2021-05-05,100\na,0,,,3.5\n"
TEXTS = (
    "body,tags\n" + "salt and oven,cooking\na goal,sport;league\nsalted moon,\noven,sport\n" * 12
)
NEW_TEXTS = "id,body\n1,salt GOAL and unknown\n2,\n3,moon oven oven\n4,a goal\n"
FILES = {
    "table": (TABLE, NEW_TABLE, {"labels": ["red", "blue"]}),
    "texts": (TEXTS, NEW_TEXTS, {"labels": ["tags"], "text": "body"}),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_estimator_with_the_weights_of_a_run_predicts_a_new_file_as_mlc_predict(
    kind: str, command: Command, tmp_path: Path
) -> None:
    content, new_content, options = FILES[kind]
    path, new = tmp_path / "things.csv", tmp_path / "new.csv"
    path.write_text(content)
    new.write_text(new_content)
    data = {"path": str(path), **options}
    ended = command(
        mlc_train, "data=table", *(f"data.{key}={value}" for key, value in data.items()),
        "trainer.max_epochs=20", "backbone.widths=[6]", "decisions=[global,per_label]",
        "report.figures=false", "report.yardsticks=false", "hydra.run.dir=run",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    for name in ("global", "per_label"):
        run, stored = mlc.load("run", name), read_stored(Path("run") / RULES)[name]
        config = run.status["config"]
        head = {key: value for key, value in config["head"].items() if key != "name"}
        model = Model("sigmoid", head, 0.5, run.label_names)
        settled = settle(model, name, config["decision"][name], [stored])
        names: dict[str, Any] = {}
        defaults = MultiLabelClassifier().get_params(deep=False)
        exec(estimator_code(config, settled, defaults, load_data("table", **data)), names)
        trained = names["classifier"].predictor_
        trained.model.load_state_dict(run.model.state_dict())
        trained.scalings = run.scalings
        names["classifier"].decision_.restore(stored)
        rows = load_features(str(new), names["data"], "table", **names["OPTIONS"])
        predicted = names["classifier"].predict(rows)
        assert predicted.any()
        assert not predicted.all()
        mlc_predict(["run", str(new), "--rule", name, "--output", "labels.csv"])
        with Path("labels.csv").open(encoding="utf-8", newline="") as file:
            labels = [row["labels"] for row in csv.DictReader(file)]
        in_words = [
            ";".join(np.array(names["data"].label_names)[row.astype(bool)]) for row in predicted
        ]
        assert in_words == labels
        # The network's code, from what the trained network computes for the new rows.
        features = {"features": head_inputs(run, run.inputs(rows))}
        decided = decided_by_code(settled, run, features)
        np.testing.assert_array_equal(decided, predicted)
