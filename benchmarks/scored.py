"""Scores of trained heads, kept in a folder, from which decision rules are measured.

Each data set has several splits. The parts that come with it are put together, and each split draws a
test part (data.split_seed) and a validation part anew.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from torch import Tensor

from mlc.config.schema import Config, config_folder, parse, register_configs
from mlc.data.base import SOURCES, Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split, split_dataset
from mlc.decisions.base import DecisionRule, build_decision
from mlc.evaluation.judging import PARTS, evaluate
from mlc.heads.base import HEADS, JointHead, KnownLabels
from mlc.training.assembly import build_model
from mlc.training.loop import Training
from mlc.training.stacked import OPTIMIZERS

# Rules by the joint, with and without at least one label: they are tuned on nothing.
BY_JOINT = tuple(
    (n, some) for n in ("mode", "expected_jaccard", "expected_f1") for some in (False, True)
)

# The settings are fixed, so that values stay comparable when defaults change.
RATES = (
    "optimizer=adamw", "optimizer.lr=0.002", "optimizer.weight_decay=0.01", "optimizer.schedule=cosine",
    "backbone.dropout=0.5", "backbone.normalization=batch", "trainer.monitor=jaccard_samples",
    "trainer.patience=null",
)  # fmt: skip
FULL = (*RATES, "backbone.widths=[256,256]", "trainer.max_epochs=60", "trainer.batch_size=64")
# For the larger data sets, to save time.
SHORT = (*RATES, "backbone.widths=[128,128]", "trainer.max_epochs=30", "trainer.batch_size=128")


@dataclass(frozen=True)
class Scored:
    """The output of a trained head on one split.

    Attributes:
        scores: (N, K) by part, "val" and "test".
        targets: (N, K), bool, by part.
        cardinality: (N,) by part, where the head has one.
        decided: (N, K), bool, by part and name of a rule by the joint.
        trained_on: (M, K), bool, the label sets of the training rows.
    """

    scores: dict[str, Tensor]
    targets: dict[str, Tensor]
    cardinality: dict[str, Tensor]
    decided: dict[str, dict[str, Tensor]]
    trained_on: Tensor


def named(rule: str, at_least_one: bool) -> str:
    """Return the name of a rule with or without at least one label."""
    return f"{rule}, at least one label" if at_least_one else rule


def of_data(
    data: str, head: str, n_splits: int, folder: Path, more: Sequence[str] = ()
) -> Iterator[Scored]:
    """Yield the head's output on each split of the data; train unless `folder` holds it.

    Args:
        data: a data set of `conf/data`.
        head: a head.
        n_splits: how many splits there are.
        folder: where outputs are kept.
        more: overrides of the config.
    """
    paths = [folder / f"{data}_{head}_{split}.npz" for split in range(n_splits)]
    if not all(path.is_file() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        for path, arrays in zip(paths, _trained(data, head, n_splits, more), strict=True):
            partial = path.with_suffix(".part.npz")
            np.savez_compressed(partial, **arrays)
            partial.rename(path)
    for path in paths:
        yield _read(path)


def _trained(
    data: str, head: str, n_splits: int, more: Sequence[str]
) -> list[dict[str, NDArray[np.generic]]]:
    register_configs()
    with initialize_config_dir(str(config_folder()), version_base=None):
        configs = [
            parse(compose("train", [f"data={data}", f"head={head}", f"seed={seed}",
                                    f"data.split_seed={seed}", "device=cpu", *more]))
            for seed in range(n_splits)
        ]  # fmt: skip
    torch.set_num_threads(1)
    dataset = SOURCES[configs[0].data.name].load(configs[0].data)
    dataset = dataclasses.replace(dataset, parts={})
    splits = [split_dataset(dataset, config.data, config.seed) for config in configs]
    rules: dict[str, DecisionRule] = {"global": build_decision("global")}
    if issubclass(HEADS[head], JointHead):
        for name, some in BY_JOINT:
            rules[named(name, some)] = build_decision(name, at_least_one=some)
    return _evaluated(configs, dataset, splits, rules)


def _evaluated(
    configs: Sequence[Config],
    dataset: Dataset,
    splits: Sequence[Split],
    rules: Mapping[str, DecisionRule],
) -> list[dict[str, NDArray[np.generic]]]:
    first, device = configs[0], torch.device("cpu")
    scalings = [fit_scaling(dataset, split.train) for split in splits]
    rows = torch.as_tensor(np.stack([split.train for split in splits]))
    known = KnownLabels(torch.as_tensor(dataset.targets), rows)
    model = build_model(configs, dataset.sample_shape, known, device, scalings)
    resident = ResidentData(dataset.features, dataset.targets, scalings, device)
    training = Training(
        model,
        resident,
        splits,
        OPTIMIZERS[first.optimizer.name](
            model.parameters(), [config.optimizer for config in configs], model.without_axis
        ),
        [config.trainer for config in configs],
        [config.seed for config in configs],
    )
    for _ in training:
        pass
    outputs = []
    for result, split in zip(
        evaluate(model, resident, dataset, splits, [rules] * len(splits)), splits, strict=True
    ):
        arrays: dict[str, NDArray[np.generic]] = {"trained_on": dataset.targets[split.train]}
        for part in PARTS:
            arrays[f"scores/{part}"] = result.scores[part]
            arrays[f"targets/{part}"] = result.targets[part]
            if part in result.cardinalities:
                arrays[f"cardinality/{part}"] = result.cardinalities[part].numpy()
            for name, decided in result.decisions[part].items():
                if name != "global":
                    arrays[f"decided/{part}/{name}"] = decided
        outputs.append(arrays)
    return outputs


def _read(path: Path) -> Scored:
    stored = np.load(path)
    arrays = {name: torch.as_tensor(stored[name]) for name in stored.files}

    def of(kind: str) -> dict[str, Tensor]:
        return {p: arrays[f"{kind}/{p}"] for p in PARTS if f"{kind}/{p}" in arrays}

    decided = {
        part: {
            name.split("/", 2)[2]: value
            for name, value in arrays.items()
            if name.startswith(f"decided/{part}/")
        }
        for part in PARTS
    }
    return Scored(of("scores"), of("targets"), of("cardinality"), decided, arrays["trained_on"])
