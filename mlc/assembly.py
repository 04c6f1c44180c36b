"""From a config to the parts that it names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

import torch

from mlc.backbones import BACKBONES
from mlc.config import Config
from mlc.data import Dataset
from mlc.decisions import DECISIONS, DecisionRule
from mlc.errors import ConfigError
from mlc.heads import HEADS, Head, JointHead
from mlc.heads.memory import require_memory
from mlc.training import DTYPES, OPTIMIZERS, Model

log = logging.getLogger(__name__)


def build_model(configs: Sequence[Config], dataset: Dataset, device: torch.device) -> Model:
    """The stacked model, once it is known to fit into memory."""
    config = configs[0]
    seeds = [own.seed for own in configs]
    backbone = BACKBONES[config.backbone.name](
        dataset.n_features, [own.backbone for own in configs], seeds
    )
    head_class = HEADS[config.head.name]
    require_memory(
        head_class,
        backbone.n_outputs,
        dataset.n_labels,
        config.head,
        device=device,
        batch_size=config.trainer.batch_size,
        n_runs=len(configs),
        state_per_weight=OPTIMIZERS[config.optimizer.name].state_per_weight,
        bytes_per_number=DTYPES[config.trainer.precision].itemsize,
    )
    head = head_class(backbone.n_outputs, dataset.n_labels, config.head, seeds)
    return Model(backbone, head).to(device, DTYPES[config.trainer.precision])


def build_rules(config: Config, head: type[Head]) -> dict[str, DecisionRule]:
    """The run's rules, without those that need more than this head gives.

    Raises:
        ConfigError: none is left.
    """
    rules = {
        name: DECISIONS[name](config.decision[name], head.natural_threshold)
        for name in config.rules
        if issubclass(head, JointHead) or not DECISIONS[name].needs_joint
    }
    left_out = tuple(name for name in config.rules if name not in rules)
    if not rules:
        raise ConfigError(
            f"rules={config.rules} all need a distribution over label sets, which the head"
            f" {config.head.name!r} does not give: add fixed or global."
        )
    if left_out:
        _say_left_out(config.head.name, left_out)
    return rules


def device_of(name: str) -> torch.device:
    """auto is CUDA where there is one, else the CPU.

    Raises:
        ConfigError: CUDA is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError(
            "device=cuda, but torch finds no CUDA device here: use device=auto or cpu."
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


@cache
def _say_left_out(head: str, rules: tuple[str, ...]) -> None:
    """Once, however many runs have this head."""
    log.info("%s defines no distribution over label sets: no rule %s", head, ", ".join(rules))
