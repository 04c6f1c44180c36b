"""Defaults by the backbone and the kind of the data, and where they are stored."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.sparse import csr_matrix

from mlc.config.registry import BACKBONES, OPTIMIZERS
from mlc.config.schema import AUTOMATIC, Config, parse, register_configs
from mlc.data.base import Dataset
from mlc.launching.composing import composed
from mlc.training.defaults import (
    EPOCHS,
    FROZEN,
    MOST_SPARSE,
    OTHERS,
    TABLE,
    Kind,
    kind_of,
    resolve,
    unresolved,
)

REPOSITORY = Path(__file__).parent.parent.parent
EXPERIMENTS = [path.stem for path in sorted((REPOSITORY / "conf/experiment").glob("*.yaml"))]


def configured(*overrides: str) -> Config:
    register_configs()
    return parse(composed(overrides))


def values(config: Config) -> dict[str, Any]:
    pairs = ((key, *key.split(".")) for key in AUTOMATIC)
    options = {key: (getattr(config, group), name) for key, group, name in pairs}
    return {key: getattr(own, name) for key, (own, name) in options.items() if hasattr(own, name)}


def dataset(features: Any) -> Dataset:
    n_rows, n_columns = features.shape
    names = tuple(map(str, range(n_columns)))
    numeric = np.ones(n_columns, dtype=bool)
    targets = np.ones((n_rows, 1), dtype=bool)
    return Dataset("rows", features, targets, names, ("label",), numeric)


@pytest.mark.parametrize(("n_values", "sparse"), [(15, True), (16, False)])
@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_the_kind_is_that_of_the_rows_but_the_test_part(
    n_values: int, sparse: bool, form: Any
) -> None:
    features = np.ones((20, 10), dtype=np.float32)
    features[:10] = 0
    features[:10].flat[:n_values] = 2
    parts = {"train": np.arange(10), "test": np.arange(10, 20)}
    data = dataclasses.replace(dataset(form(features)), parts=parts)
    kind = kind_of(data, np.arange(8))
    assert kind == Kind(sparse, 8)
    # The data card calls rows dense or sparse by their form.
    said = "8 training rows" + " with at most 15% of the values not 0" * sparse
    assert str(kind) == said


def test_all_splits_of_a_data_set_are_of_one_kind() -> None:
    """15% of the values are not 0; in the training rows of a split it is a little more or less."""
    draw = np.random.default_rng(0)
    data = dataset(csr_matrix(draw.random((300, 60)) < 0.15, dtype=np.float32))
    kinds = {kind_of(data, draw.permutation(300)[:200]) for _ in range(10)}
    assert len(kinds) == 1


@pytest.mark.parametrize(
    ("n_rows", "n_epochs"), [(2_999, 60), (3_000, 25), (11_999, 25), (12_000, 8), (10**6, 8)]
)
def test_more_rows_need_fewer_epochs(n_rows: int, n_epochs: int) -> None:
    assert resolve(configured(), Kind(True, n_rows)).trainer.max_epochs == n_epochs


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("backbone", ["mlp", "linear", "embedding_bag", "cnn"])
def test_each_option_gets_the_value_of_the_table(backbone: str, sparse: bool) -> None:
    config = configured(f"backbone={backbone}", "optimizer=adamw")
    resolved = values(resolve(config, Kind(sparse, 100)))
    row = TABLE.get(backbone, TABLE[OTHERS])[sparse]
    assert resolved["trainer.max_epochs"] == 60
    assert {key: resolved[key] for key in row} == row
    assert None not in resolved.values()


def test_the_page_shows_the_tables() -> None:
    page = (REPOSITORY / "docs/defaults.md").read_text(encoding="utf-8")
    columns = ("lr", "schedule", "batch_size", "widths", "dropout", "normalization")
    rows = [["backbone", "rows", *columns], ["---"] * 8]
    for backbone, kinds in TABLE.items():
        for kind, row in zip(("dense", "sparse"), kinds, strict=True):
            named = {key.split(".")[1]: str(value) for key, value in row.items()}
            assert named.keys() <= set(columns)
            rows.append([backbone, kind, *(named.get(name, "") for name in columns)])
    assert "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n\n" in page
    limits = [f"{limit:,}" if limit < math.inf else "any number" for limit, _ in EPOCHS]
    epochs = [f"| {limit} | {n} |" for limit, (_, n) in zip(limits, EPOCHS, strict=True)]
    assert "\n".join(["| ---: | ---: |", *epochs]) + "\n\n" in page
    assert f"at most {MOST_SPARSE:.0%}" in page


def test_no_default_depends_on_the_head() -> None:
    heads = [configured(f"head={head}") for head in ("sigmoid", "pairwise", "label_powerset")]
    assert len({repr(values(resolve(config, Kind(True, 9)))) for config in heads}) == 1


def test_what_is_given_stays() -> None:
    given = (
        "optimizer.lr=0.5",
        "backbone.dropout=0.0",
        "trainer.batch_size=7",
        "backbone.widths=[]",
    )
    config = configured(*given)
    left = {key: value for key, value in values(config).items() if value is not None}
    assert left == {
        "optimizer.lr": 0.5, "backbone.dropout": 0.0, "trainer.batch_size": 7, "backbone.widths": [],
    }  # fmt: skip
    resolved = values(resolve(config, Kind(True, 100)))
    assert {**resolved, **left} == resolved


def test_another_optimizer_keeps_its_own_rate() -> None:
    config = configured("optimizer=sgd", "optimizer.lr=null", "optimizer.schedule=null")
    resolved = values(resolve(config, Kind(True, 10**6)))
    assert resolved["optimizer.lr"] == OPTIMIZERS.options("sgd").lr == 0.1
    assert resolved["optimizer.schedule"] == "constant"
    assert resolved["trainer.max_epochs"] == 60
    assert resolved["trainer.batch_size"] == 64


def test_the_linear_backbone_has_the_path_of_its_optimizer() -> None:
    config = configured("backbone=linear")
    resolved = resolve(config, Kind(True, 10**6))
    assert resolved.optimizer == config.optimizer == OPTIMIZERS.options("lbfgs")
    assert resolved.trainer.max_epochs > len(resolved.optimizer.C)


def test_the_table_names_options_that_exist() -> None:
    for backbone, rows in TABLE.items():
        for row in rows:
            own = [key.split(".")[1] for key in row if key.startswith("backbone.")]
            assert set(row) <= set(AUTOMATIC)
            assert backbone != OTHERS or not own
            name = "mlp" if backbone in (FROZEN, OTHERS) else backbone
            BACKBONES.options(name, **dict.fromkeys(own))


USERS_OF_DEFAULTS = {"which_head", "learned_features", "equal_budgets"}


@pytest.mark.parametrize("experiment", sorted({*EXPERIMENTS} - USERS_OF_DEFAULTS))
def test_an_experiment_depends_on_no_default(experiment: str) -> None:
    path = REPOSITORY / f"conf/experiment/{experiment}.yaml"
    hydra = yaml.safe_load(path.read_text(encoding="utf-8")).get("hydra", {})
    swept = hydra.get("sweeper", {}).get("params", {})
    assert set(unresolved(configured(f"experiment={experiment}"))) <= set(swept)


def test_the_comparison_of_the_readme_keeps_its_settings() -> None:
    assert values(configured("experiment=compare")) == {
        "trainer.max_epochs": 30, "trainer.batch_size": 64, "optimizer.lr": 0.002,
        "optimizer.schedule": "cosine", "backbone.widths": [256, 256], "backbone.dropout": 0.5,
        "backbone.normalization": "batch",
    }  # fmt: skip
    assert configured("experiment=compare").optimizer.weight_decay == 0.01
