"""The config's schema: registries become Hydra groups, a composed config becomes dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlc.config.errors import ConfigError
from mlc.config.imports import FLAG
from mlc.config.options import Auto, check, option, require_known, suggestion, words_of
from mlc.config.registry import BACKBONES, DECISIONS, HEADS, METRICS, OPTIMIZERS, SOURCES, Registry

if TYPE_CHECKING:  # a report reads stored configs, and needs neither Hydra nor OmegaConf
    from omegaconf import DictConfig

# OmegaConf's value of an option that must be given.
MISSING = "???"

GROUPS: dict[str, Registry[Any]] = {
    "data": SOURCES,
    "backbone": BACKBONES,
    "head": HEADS,
    "optimizer": OPTIMIZERS,
}

# Numbers of CUDA devices, as in cuda:0,2.
DEVICES = r"cuda:\d{1,4}(,\d{1,4})*"


@dataclass
class TrainerOptions:
    """Options of the training loop.

    Attributes:
        max_epochs: the number of passes over the training rows; null for the default.
        batch_size: the number of rows in a step; null for the default.
        monitor: the validation metric, at its best threshold in each epoch, or "loss"; the weights of
            its best epoch are kept. With optimizer=lbfgs also with at least one label for each row,
            where that is better.
        followed: further validation metrics that are logged, each decided in the same way.
        patience: the training ends after this many epochs without a better one; null for never (with
            optimizer=lbfgs, 2).
        precision: bfloat16 means autocast and needs CUDA.
        cuda_graphs: whether a step on CUDA is captured once and replayed.
        compile: whether a captured step is compiled before, which takes up to a minute for each kind of
            cohort and needs a C compiler; docs/cuda.md says what it gains.
        warmup: the share of the training in which the rate rises linearly from 0; the schedule follows.
        clip_norm: the largest norm of a run's gradient, over all its weights; null for any.
        accumulation: the number of parts in which a batch is computed, for less memory; the gradients of
            the parts are added up.
    """

    max_epochs: Auto[int] = option(60, at_least=1)
    batch_size: Auto[int] = option(64, at_least=1)
    monitor: str = option("jaccard_samples", choices=lambda: ("loss", *METRICS))
    followed: list[str] = option(
        ["jaccard_samples", "f1_macro", "subset_accuracy"], choices=METRICS
    )
    patience: int | None = option(None, at_least=1)
    precision: str = option("float32", choices=("float32", "float64", "bfloat16"))
    cuda_graphs: bool = True
    compile: bool = False
    warmup: float = option(0.0, at_least=0, below=1)
    clip_norm: float | None = option(None, above=0)
    accumulation: int = option(1, at_least=1)


@dataclass
class ReportOptions:
    """Options of the report on a sweep.

    Attributes:
        metrics: the columns of the table; the first is compared in pairs and drawn.
        reference: the head that the others are compared with.
        figures: whether the summary's figure, and one of each head for TensorBoard, are drawn when a
            launch ends.
        limits: whether a run on a known world is compared with its head's limit besides the Bayes
            value, which takes minutes with many labels.
        yardsticks: whether the table has tuned one-vs-rest logistic regressions and linear SVMs too,
            trained once for each data set and split.
        answer: whether a search ends with an answer: which head and rule, by how much, and its code.
        margin: differences up to this count as equal in the answer.
        expected: a table of `conf/expected`, or the path of a CSV, with means and tolerances that those
            of the sweep are compared with at its end.
    """

    metrics: list[str] = option(["jaccard_samples", "f1_macro", "subset_accuracy"], choices=METRICS)
    reference: str = "sigmoid"
    figures: bool = True
    limits: bool = True
    yardsticks: bool = True
    answer: bool = False
    margin: float = option(0.01, at_least=0)
    expected: str | None = None

    def validate(self, prefix: str) -> None:
        """Require at least one metric."""
        if not self.metrics:
            raise ConfigError(f"{prefix}metrics is empty: name at least one metric.")


@dataclass
class Config:
    """The config of one run; the first four fields are the options of the chosen parts."""

    data: Any = MISSING
    backbone: Any = MISSING
    head: Any = MISSING
    optimizer: Any = MISSING
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    # The options of each rule, by its name; `decisions` are the rules that a run reports.
    decision: Any = field(
        default_factory=lambda: {name: DECISIONS[name].Options() for name in DECISIONS}
    )
    decisions: list[str] = option(["fixed", "global", "mode", "oracle"])
    report: ReportOptions = field(default_factory=ReportOptions)
    seed: int = option(0, at_least=0, at_most=2**32 - 1)
    # The number of the configuration in a search, whose sweeper sets it; it changes no result.
    trial: int | None = option(None, at_least=0)
    # cuda uses all devices of the machine for a sweep, cuda:0,2 those of these numbers.
    device: str = option(
        "auto", choices=("auto", "cpu", "cuda"), pattern=DEVICES, example="cuda:0,2"
    )
    # Whether finished runs in the folder are kept, and only the others are trained.
    resume: bool = False
    # Threads of one training on a CPU. For small steps, one thread is fastest.
    threads: int = option(1, at_least=1)

    def validate(self, prefix: str) -> None:
        """Require that each rule exists and is named once."""
        for rule in self.decisions:
            if rule not in DECISIONS:
                raise ConfigError(
                    f"{prefix}decisions={self.decisions} names {rule!r}, which is not a decision rule:"
                    f" {suggestion(rule, DECISIONS)}choose among {', '.join(DECISIONS)}, or add {FLAG}"
                    " MODULE for one of your own."
                )
        if not self.decisions or len(set(self.decisions)) < len(self.decisions):
            raise ConfigError(
                f"{prefix}decisions={self.decisions} must name at least one rule, each once."
            )


# Options whose null stands for a default that depends on the backbone and on the training rows.
AUTOMATIC = (
    "trainer.max_epochs", "trainer.batch_size", "optimizer.lr", "optimizer.schedule",
    "backbone.width", "backbone.widths", "backbone.dropout", "backbone.normalization",
)  # fmt: skip


def config_folder() -> Path:
    """Return the `conf` folder: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def is_word(key: str, text: str) -> bool:
    """Whether a part declares the text as a value of its option with this dotted key."""
    group, _, name = key.rpartition(".")
    registry = GROUPS.get(group)
    schemas = [] if registry is None else [registry.schema(part) for part in registry]
    return any(text in words_of(schema, name) for schema in schemas)


def register_configs() -> None:
    """Register the schema of every part with Hydra, including parts without a file in `conf`.

    The entry points call it as late as possible, so that parts from a user's script can be chosen too.
    """
    from mlc.config.store import store_schema

    # Its defaults are those of the rules that are registered now.
    store_schema("schema", "config", Config, anew=True)
    for group, registry in GROUPS.items():
        for name in registry:
            schema = registry.schema(name)
            store_schema(f"schema/{group}", name, schema)
            if not (config_folder() / group / f"{name}.yaml").is_file():
                store_schema(group, name, schema)


def parse(config: DictConfig) -> Config:
    """Convert a composed config to dataclasses and check every value.

    Raises:
        ConfigError: a value is out of range, of the wrong type or missing, or a key is unknown.
    """
    from omegaconf import OmegaConf

    parsed = OmegaConf.to_object(config)
    assert isinstance(parsed, Config)
    if not isinstance(parsed.decision, Mapping):
        raise ConfigError(
            f"decision={parsed.decision} is not a mapping: decisions=[{parsed.decision}] names the rules"
            " of a run, and decision.RULE.OPTION sets an option of a rule."
        )
    _refuse_unknown(parsed, "The config")
    require_known("decision", parsed.decision, list(DECISIONS))
    check(parsed)
    return parsed


def _refuse_unknown(options: Any, owner: str) -> None:
    """Raise ConfigError for the first key of a dataclass that is not one of its fields."""
    children = options
    if dataclasses.is_dataclass(options):
        children = vars(options)
        require_known(owner, children, [field.name for field in dataclasses.fields(options)])
    for name, value in children.items():
        if dataclasses.is_dataclass(value) or name == "decision":
            _refuse_unknown(value, name if owner == "The config" else f"{owner}.{name}")
