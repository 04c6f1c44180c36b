"""The searches with equal budgets: draws, choices, stored decisions, ML-kNN and the bootstraps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from experiments.equal_budgets import archive
from experiments.equal_budgets.ml_knn import MLkNN
from experiments.equal_budgets.networks import network_spaces
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, drawn, typed
from mlc.config.schema import config_folder, register_configs
from mlc.launching.checks import sweep_overrides
from mlc.launching.search_plan import plan
from mlc.launching.search_request import read_request
from mlc.search.draws import configuration


def test_the_configurations_are_those_of_the_search_sweeper() -> None:
    heads = ("sigmoid", "sigmoid_f1", "asymmetric", "weighted_sigmoid", "chain", "pairwise")
    register_configs()
    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("test", create_config_search_path(str(config_folder())))
    words = ["hydra/sweeper=search", "experiment=equal_budgets", f"head={','.join(heads)}"]
    config = hydra.compose_config("train", words, run_mode=RunMode.MULTIRUN)
    request = read_request(config, sweep_overrides(config))
    assert request is not None
    planned = {each.group.head: each.group for each in plan(request, hydra.config_loader, config)}
    GlobalHydra.instance().clear()
    assert set(planned) == set(heads)
    for head in heads:
        spaces = network_spaces(head)
        assert dict(spaces) == planned[head].spaces, head
        for number in range(N_CONFIGURATIONS):
            text = configuration(planned[head].spaces, request.options.seed, number)
            assert drawn(spaces, number) == text
            values = typed(spaces, text)
            assert values.keys() == text.keys()
            for key, value in values.items():
                assert str(value).lower() == text[key] or value == float(text[key]), key


def test_decisions_come_back_from_their_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cases = {
        "sigmoid/0/global": rng.random((3, 13, 5)) < 0.3,
        "chain/2/mode": np.ones((1, 8, 1), dtype=bool),
        archive.TARGETS: np.zeros((1, 13, 5), dtype=bool),
    }
    path = archive.path_of(tmp_path, "yeast")
    assert archive.read(path) == {}
    for name, decisions in cases.items():
        archive.add(path, {name: decisions})
    stored = archive.read(path)
    assert stored.keys() == cases.keys()
    for name, decisions in cases.items():
        assert np.array_equal(stored[name], decisions), name


@pytest.mark.parametrize(("k", "smoothing"), [(3, 1.0), (5, 0.3), (100, 2.0)])
def test_ml_knn_is_the_formula_of_its_source_written_as_loops(k: int, smoothing: float) -> None:
    rng = np.random.default_rng(k)
    features, targets = rng.normal(size=(14, 3)), rng.random((14, 4)) < 0.4
    targets[:, 2], targets[:, 3] = False, True
    new = rng.normal(size=(5, 3))
    n_neighbours = min(k, 13)

    def nearest(row: np.ndarray, left_out: int | None) -> list[int]:
        distances = [(float(((row - other) ** 2).sum()), i) for i, other in enumerate(features)]
        return [i for _, i in sorted(distances) if i != left_out][:n_neighbours]

    expected = np.zeros((5, 4))
    for label in range(4):
        positives = int(targets[:, label].sum())
        prior = (smoothing + positives) / (2 * smoothing + 14)
        counted = {True: [0] * (n_neighbours + 1), False: [0] * (n_neighbours + 1)}
        for i in range(14):
            near = sum(targets[j, label] for j in nearest(features[i], i))
            counted[bool(targets[i, label])][near] += 1
        for row in range(5):
            near = sum(targets[j, label] for j in nearest(new[row], None))
            likelihood = {
                value: (smoothing + counts[near]) / (smoothing * (n_neighbours + 1) + sum(counts))
                for value, counts in counted.items()
            }
            yes, no = prior * likelihood[True], (1 - prior) * likelihood[False]
            expected[row, label] = yes / (yes + no)
    model = MLkNN(k, smoothing).fit(features, targets)
    assert model.predict_proba(new) == pytest.approx(expected, rel=1e-9)
