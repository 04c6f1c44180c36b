"""hydra/launcher=fused_submitit: cohorts as jobs of a cluster (Slurm), by submitit.

Needs `pip install submitit`. The rules on imports and annotations of `mlc_fused_launcher` apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn

from hydra_plugins.mlc_fused_launcher import FusedLauncher


@dataclass
class FusedSubmititLauncherConf:
    """Options of the division into cohorts and of their submission.

    Attributes:
        max_runs: largest number of runs in a cohort.
        n_workers: number of tasks that the cluster is taken to run at a time; runs that could share a
            cohort are divided where the sweep is then predicted to end earlier.
        cluster: slurm, local (processes on this machine) or debug (this process).
        folder: for submitit's files.
        parameters: of submitit's executor, as in {timeout_min: 60, gpus_per_node: 1,
            slurm_partition: gpu}.
    """

    _target_: str = "hydra_plugins.mlc_fused_submitit_launcher.FusedSubmititLauncher"
    max_runs: int = 64
    n_workers: int = 1
    cluster: str = "slurm"
    folder: str = "${hydra.sweep.dir}/.submitit/%j"
    parameters: dict[str, Any] = field(default_factory=dict)


class FusedSubmititLauncher(FusedLauncher):
    """The fused launcher with each cohort as a job of submitit."""

    def __init__(
        self,
        max_runs: int,
        n_workers: int,
        cluster: str,
        folder: str,
        parameters: dict[str, Any],
    ) -> None:
        super().__init__(max_runs, n_workers)
        self.cluster, self.folder, self.parameters = cluster, folder, parameters

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; return one result per job, in order."""
        from mlc.launching.fused import launch
        from mlc.launching.submitting import train_by_submitit

        return launch(
            self,
            job_overrides,
            initial_job_idx,
            lambda cohorts, ended: train_by_submitit(
                cohorts, ended, self.cluster, self.folder, dict(self.parameters)
            ),
        )


ConfigStore.instance().store(
    group="hydra/launcher", name="fused_submitit", node=FusedSubmititLauncherConf, provider="mlc"
)
