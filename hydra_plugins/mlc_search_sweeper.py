"""hydra/sweeper=search: a search draws configurations for each head and chooses by validation rows.

The rules on imports and annotations of `mlc_fused_launcher` apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class SearchSweeperConf:
    """Options of the search, as `mlc.search.options.SearchOptions` describes them.

    Attributes:
        params: overrides that the command line replaces, by key.
    """

    _target_: str = "hydra_plugins.mlc_search_sweeper.SearchSweeper"
    n_trials: int = 20
    seed: int = 0
    metric: str = "jaccard_samples"
    sampler: str = "random"
    batch: int = 5
    more_seeds: int = 0
    params: dict[str, Any] | None = field(default_factory=dict)


class SearchSweeper(Sweeper):
    """Draws trials for each combination of the swept values, and launches each with every seed."""

    def __init__(self, **options: Any) -> None:
        """Take the options, which the config holds as well."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Store the context and create the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Run the search; return the results of each launch."""
        from mlc.launching.searching import search

        return search(self)


ConfigStore.instance().store(
    group="schema/hydra/sweeper", name="search", node=SearchSweeperConf, provider="mlc"
)
