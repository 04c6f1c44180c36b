"""hydra/launcher=fused: the jobs of a sweep, trained in parallel as cohorts.

Every Hydra application imports this module, so its top imports nothing heavy. Hydra executes it
before the module has a name, so annotations of the dataclass must not be strings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class FusedLauncherConf:
    """Options of the division of a sweep into cohorts.

    Attributes:
        max_runs: largest number of runs in a cohort; free memory may allow fewer.
        n_workers: number of processes on the CPU, with one thread each; null is one per CPU core.
        per_device: number of processes for each CUDA device of `device`. If there is one in all, this
            process trains the cohorts one after another.
    """

    _target_: str = "hydra_plugins.mlc_fused_launcher.FusedLauncher"
    max_runs: int = 64
    n_workers: int | None = None
    per_device: int = 1


class FusedLauncher(Launcher):
    """Trains jobs that share data, backbone shape, head and batch size as one stacked model."""

    def __init__(self, max_runs: int, n_workers: int | None, per_device: int = 1) -> None:
        self.max_runs = max_runs
        self.n_workers = n_workers
        self.per_device = per_device

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Store the context; Hydra calls this before composing any job."""
        from mlc.launching.composing import NumberCache

        hydra_context.config_loader = NumberCache(  # type: ignore[assignment]
            hydra_context.config_loader
        )
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; return one result per job, in order."""
        from mlc.launching.fused import launch

        return launch(self, job_overrides, initial_job_idx)


ConfigStore.instance().store(
    group="hydra/launcher", name="fused", node=FusedLauncherConf, provider="mlc"
)
