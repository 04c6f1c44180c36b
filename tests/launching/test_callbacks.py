"""Callbacks of the user are called with the config of each job of a fused sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from mlc.train import main
from tests.conftest import Command


class Noting(Callback):
    """Notes what it is called with."""

    started: ClassVar[list[tuple[int, int]]] = []
    ended: ClassVar[list[tuple[int, int, int, int]]] = []

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        self.started.append((config.seed, config.hydra.job.num))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        task, of_hydra = job_return.cfg, job_return.hydra_cfg
        assert task is not None
        assert of_hydra is not None
        numbers = task.seed, of_hydra.hydra.job.num
        self.ended.append((config.seed, config.hydra.job.num, *numbers))


def test_each_job_has_its_config(command: Command, write_arff: Callable[..., Path]) -> None:
    words = (
        "data=arff", f"data.path={write_arff()}", "trainer.max_epochs=1", "report.figures=false",
        "seed=5,6", "+hydra.callbacks.noting._target_=tests.launching.test_callbacks.Noting",
    )  # fmt: skip
    assert command(main, "-m", *words).status == 0
    assert Noting.started == [(5, 0), (6, 1)]
    assert sorted(Noting.ended) == [(5, 0, 5, 0), (6, 1, 6, 1)]
