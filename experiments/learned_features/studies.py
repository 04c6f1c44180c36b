"""Trainings on words, on frozen features, and of whole networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

from experiments.harness import Row, Trainings, Trial
from experiments.harness.study import BUDGETS, Measured, command_of
from experiments.harness.trainings import configure
from experiments.league.studies import CONTESTANTS, configuration
from experiments.learned_features.rules import rows_of_rules
from mlc.config.registry import SOURCES as REGISTRY
from mlc.heads.base import HEADS
from mlc.runs.recorder import RunResult

METRICS = ("jaccard_samples", "f1_macro", "subset_accuracy", "f1_micro")
PRECISION = "average_precision_macro"
# Modules that register the sources and the backbone of these trainings alone.
SOURCES = "experiments.learned_features.sources"
NETWORKS = "experiments.learned_features.networks"
# All data sets have too many labels for a softmax over 2^K label sets.
ALL_HEADS = tuple(head for head in CONTESTANTS if head != "powerset")
FEW_HEADS = ("sigmoid", "pick_one", "pairwise", "label_powerset")
N_SEEDS, N_CONFIGURATIONS = 5, 3
TRAINED_SEEDS = 3
# Settings of the quick budget: heads, configurations and seeds.
QUICK = (("sigmoid", "label_powerset"), 1, 1)


class Learned(Trainings):
    """Trainings whose rows hold each rule, with and without at least one label."""

    experiment = "learned_features"
    metrics: ClassVar[tuple[str, ...]] = METRICS
    more: ClassVar[tuple[str, ...]] = (f"val/{PRECISION}", f"test/{PRECISION}", "train/best_epoch")
    max_runs = N_SEEDS

    def measure(self, trials: Sequence[Trial], n_workers: int) -> Iterator[list[Measured]]:
        """Register the data sources, which only these trainings read, and train."""
        import_module(SOURCES)
        import_module(NETWORKS)
        # The processes that train are forks: the data set that is loaded here is theirs too.
        config = configure(self.experiment, trials[0])
        REGISTRY[config.data.name].load(config.data)
        for part in self.rounds(trials):
            yield from super().measure(part, n_workers)

    def rounds(self, trials: Sequence[Trial]) -> list[list[Trial]]:
        """Return the trials in the order of their configurations, a list for each.

        An interrupted measurement then has the same configurations for all heads.
        """
        numbers = self.configurations()
        by_number: dict[int, list[Trial]] = {}
        for trial in trials:
            by_number.setdefault(numbers[command_of(trial)], []).append(trial)
        return [by_number[number] for number in sorted(by_number)]

    def configurations(self) -> dict[str, int]:
        """Return the number of the configuration of each run of the full budget."""
        return {
            command_of(trial): number
            for number, trials in enumerate(self.by_configuration(BUDGETS[-1]))
            for trial in trials
        }

    def by_configuration(self, budget: str) -> list[list[Trial]]:
        """Return the trials of a budget, a list for each configuration."""
        raise NotImplementedError

    def trials(self, budget: str) -> list[Trial]:
        """Return all configurations, heads and seeds."""
        return [trial for trials in self.by_configuration(budget) for trial in trials]

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return a row for each rule."""
        evaluation = result.evaluation
        found = evaluation.metrics | result.facts
        more = {key: found[key] for key in self.more if key in found}
        natural = HEADS[str(trial["head"])].natural_threshold(evaluation.scores["val"].shape[1])
        rows = rows_of_rules(evaluation, natural, self.metrics)
        return [{**row, **more} for row in rows]


class Features(Learned):
    """All heads on the words or on the frozen features of a data set, with drawn configurations."""

    def __init__(
        self, data: str, features: str, settings: Mapping[str, Any], name: str | None = None
    ) -> None:
        self.name = name or f"{data}_{features}"
        self._settings = {"data": data, "data.features": features, **settings}

    def by_configuration(self, budget: str) -> list[list[Trial]]:
        """Return heads and seeds for each configuration."""
        heads, n_configurations, n_seeds = (
            QUICK if budget == "quick" else (ALL_HEADS, N_CONFIGURATIONS, N_SEEDS)
        )
        return [
            [
                {**self._settings, "head": head, **configuration(head, number), "seed": seed}
                for head in heads
                for seed in range(n_seeds)
            ]
            for number in range(n_configurations)
        ]


class Networks(Learned):
    """Whole networks, trained with few heads at several rates."""

    max_runs = TRAINED_SEEDS

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        rates: Sequence[float],
        heads: Sequence[str] = FEW_HEADS,
    ) -> None:
        self.name = name
        self._settings, self._rates, self._heads = dict(settings), rates, heads

    def by_configuration(self, budget: str) -> list[list[Trial]]:
        """Return heads and seeds for each rate."""
        heads, n_rates, n_seeds = (
            QUICK if budget == "quick" else (self._heads, len(self._rates), TRAINED_SEEDS)
        )
        return [
            [
                {**self._settings, "head": head, "optimizer.lr": rate, "seed": seed}
                for head in heads
                for seed in range(n_seeds)
            ]
            for rate in self._rates[:n_rates]
        ]


BAG_RATES = (0.03, 0.01, 0.1)
CNN_RATES = (0.003, 0.001, 0.01)
# The pretrained layers have a hundredth of these.
TUNED_RATES = (0.003, 0.01, 0.001)
# On small images, for fewer epochs: what a computer without a GPU trains in an hour.
SHORT_RATES = (0.01, 0.03, 0.003)
_GOEMOTIONS = {"trainer.batch_size": 256, "trainer.max_epochs": 10}
# A name on the hub, or a folder below the working folder.
_MINILM = {
    "data.features": "texts", "backbone": "pretrained",
    "backbone.model": "sentence-transformers/all-MiniLM-L6-v2", "trainer.batch_size": 128,
}  # fmt: skip
LABELS = (
    "airplane", "bare-soil", "buildings", "cars", "chaparral", "court", "dock", "field", "grass",
    "mobile-home", "pavement", "sand", "sea", "ship", "tanks", "trees", "water",
)  # fmt: skip
_IMAGES = {
    "data": "images", "data.path": "ucmerced/labels.csv", "data.file": "file", "data.split": "split",
    "data.labels": LABELS, "data.augment": ("hflip", "vflip", "rotate90"),
}  # fmt: skip
STUDIES: tuple[Learned, ...] = (
    Features("goemotions", "words", {"backbone": "mlp", **_GOEMOTIONS}),
    Features("goemotions", "frozen", {"backbone": "mlp", "backbone.widths": (512,), **_GOEMOTIONS}),
    Features("reuters", "words", {"backbone": "mlp"}),
    Features("reuters", "frozen", {"backbone": "mlp"}),
    Features("ucmerced", "frozen", {"backbone": "mlp"}),
    Networks(
        "goemotions_bag",
        {
            "data": "goemotions", "data.features": "words", "backbone": "embedding_bag",
            **_GOEMOTIONS,
        },
        BAG_RATES,
    ),
    Networks(
        "reuters_bag",
        {"data": "reuters", "data.features": "words", "backbone": "embedding_bag"},
        BAG_RATES,
    ),
    Networks(
        "goemotions_fine_tuned",
        {
            "data": "goemotions", **_MINILM, "backbone.max_length": 64, "trainer.max_epochs": 3,
            "trainer.precision": "bfloat16",
        },
        TUNED_RATES[:2],
    ),
    Networks(
        "ucmerced_cnn",
        {
            **_IMAGES, "data.size": (32,), "backbone": "cnn", "backbone.channels": (16, 32),
            "trainer.max_epochs": 20,
        },
        CNN_RATES,
    ),
    Networks(
        "ucmerced_fine_tuned",
        {
            **_IMAGES, "data.size": (224,), "backbone": "efficientnet_lite0", "trainer.max_epochs": 10,
            "trainer.precision": "bfloat16",
        },
        TUNED_RATES,
    ),
    Networks(
        "ucmerced_fine_tuned_96",
        {
            **_IMAGES, "data.size": (96,), "backbone": "efficientnet_lite0", "trainer.max_epochs": 4,
            "trainer.batch_size": 32,
        },
        SHORT_RATES,
    ),
)  # fmt: skip
# The frozen features of UC Merced again, whose validation rows are drawn from the published training and
# validation rows together. It is no further kind of features, so it stands apart.
DRAWN = Features(
    "ucmerced", "frozen", {"data.validation": "drawn", "backbone": "mlp"}, "ucmerced_drawn"
)
