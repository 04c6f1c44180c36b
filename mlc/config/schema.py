"""The typed config: registries become Hydra groups, and a composed config becomes dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from mlc.config.errors import ConfigError
from mlc.config.imports import FLAG
from mlc.config.options import check, nearest, option
from mlc.config.registry import BACKBONES, DECISIONS, HEADS, METRICS, OPTIMIZERS, SOURCES, Registry

GROUPS: dict[str, Registry[Any]] = {
    "data": SOURCES,
    "backbone": BACKBONES,
    "head": HEADS,
    "optimizer": OPTIMIZERS,
}


@dataclass
class TrainerOptions:
    """How long to train, and which epoch's weights to keep.

    Attributes:
        max_epochs: passes over the training rows.
        batch_size: rows of a step.
        monitor: the validation metric whose best epoch is kept, at the threshold that is best for
            it in that epoch, or "loss".
        followed: further validation metrics whose curves are drawn, each likewise at its best threshold.
        patience: epochs without a better one after which the training ends; null trains them all.
        precision: bfloat16 is autocast and needs CUDA.
        cuda_graphs: whether a step on CUDA is captured once and replayed.
    """

    max_epochs: int = option(60, at_least=1)
    batch_size: int = option(64, at_least=1)
    monitor: str = option("jaccard_samples", choices=lambda: ("loss", *METRICS))
    followed: list[str] = option(
        ["jaccard_samples", "f1_macro", "subset_accuracy"], choices=METRICS
    )
    patience: int | None = option(None, at_least=1)
    precision: str = option("float32", choices=("float32", "float64", "bfloat16"))
    cuda_graphs: bool = True


@dataclass
class ReportOptions:
    """What the sweep's table shows.

    Attributes:
        metrics: the columns; the first is compared in pairs and drawn.
        reference: the head that the others are compared with.
        figures: whether TensorBoard shows a figure of each head, which is drawn when a launch ends.
        limits: whether a run on a known world is compared with its head's limit besides the Bayes
            value, which takes minutes with many labels.
    """

    metrics: list[str] = option(["jaccard_samples", "f1_macro", "subset_accuracy"], choices=METRICS)
    reference: str = "sigmoid"
    figures: bool = True
    limits: bool = True

    def validate(self, prefix: str) -> None:
        """There is a metric."""
        if not self.metrics:
            raise ConfigError(f"{prefix}metrics is empty: name at least one metric.")


@dataclass
class Config:
    """One run. The first four are the options of the part that the group's name chooses."""

    data: Any = MISSING
    backbone: Any = MISSING
    head: Any = MISSING
    optimizer: Any = MISSING
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    # Every rule's options by its name; `rules` says which of them a run reports.
    decision: Any = field(
        default_factory=lambda: {name: DECISIONS[name].Options() for name in DECISIONS}
    )
    rules: list[str] = option(["fixed", "global", "mode", "oracle"])
    report: ReportOptions = field(default_factory=ReportOptions)
    seed: int = option(0, at_least=0, at_most=2**32 - 1)
    device: str = option("auto", choices=("auto", "cpu", "cuda"))
    # Whether runs that the folder holds finished are kept, and the others trained (again).
    resume: bool = False
    # Of one training on a CPU: more only wait for each other while the steps are small, above all on
    # a busy machine.
    threads: int = option(1, at_least=1)

    def validate(self, prefix: str) -> None:
        """Each rule exists, and is named once."""
        for rule in self.rules:
            if rule not in DECISIONS:
                near = nearest(rule, DECISIONS)
                guess = f"did you mean {near[0]}? " if near else ""
                raise ConfigError(
                    f"{prefix}rules={self.rules} names {rule!r}, which is no decision rule: {guess}"
                    f"choose among {', '.join(DECISIONS)}, or add {FLAG} MODULE for one of your own."
                )
        if not self.rules or len(set(self.rules)) < len(self.rules):
            raise ConfigError(f"{prefix}rules={self.rules} must name at least one rule, each once.")


def config_folder() -> Path:
    """The `conf` folder: inside the package where it is installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def register_configs() -> None:
    """Make every registered part known to Hydra, those without a file in `conf` too.

    Called by the entry points as late as possible, so that a head registered by a user's own script
    can be chosen as any other.
    """
    store = ConfigStore.instance()
    store.store(group="schema", name="config", node=Config)
    for group, registry in GROUPS.items():
        for name in registry:
            schema = registry.schema(name)
            store.store(group=f"schema/{group}", name=name, node=schema)
            if not (config_folder() / group / f"{name}.yaml").is_file():
                store.store(group=group, name=name, node=schema)


def parse(config: DictConfig) -> Config:
    """The composed config as dataclasses, every value checked.

    Raises:
        ConfigError: a value is out of range, of the wrong type or missing.
    """
    parsed = OmegaConf.to_object(config)
    assert isinstance(parsed, Config)
    check(parsed)
    return parsed
