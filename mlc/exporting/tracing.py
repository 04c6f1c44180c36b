"""Tracing a predictor with torch.export, with one sentence for what cannot be traced."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from mlc.config.errors import ConfigError, MlcError
from mlc.exporting.module import PortableModel

# Any number but 0 and 1, for which torch.export would specialise the program.
_EXAMPLES = 3
INPUT, OUTPUTS = "rows", ("scores", "label_sets")


class _Part(nn.Module):
    """A module whose forward is one part of another one."""

    def __init__(self, module: nn.Module, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, rows: Tensor) -> Any:
        """Call the part."""
        return self.function(rows)


def traced(module: PortableModel, rows: Tensor) -> ExportedProgram:
    """Trace the module with a free number of rows.

    Args:
        module: the predictor.
        rows: examples, at least three.

    Raises:
        ConfigError: the backbone, the head or the rule computes something that depends on values in a
            way that no graph of operations expresses, such as a loop until convergence.
    """
    try:
        return _program(module, rows)
    except MlcError:
        raise
    # torch.export raises many kinds of errors, and the code of a part any other.
    except Exception as error:
        raise _refusal(module, rows, error) from error


def _program(module: nn.Module, rows: Tensor) -> ExportedProgram:
    with torch.no_grad(), quiet():
        return torch.export.export(
            module,
            (rows[:_EXAMPLES].clone(),),
            dynamic_shapes={INPUT: {0: Dim(INPUT)}},
            strict=False,
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings and logs of torch's exporters, which concern their developers."""
    names = "torch.export", "torch._export", "torch.onnx", "onnxscript", "onnx_ir"
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _refusal(module: PortableModel, rows: Tensor, error: Exception) -> ConfigError:
    """Name the first part that cannot be traced."""
    backbone = f"backbone {getattr(module.backbone, 'name', 'of this run')!r}"
    parts: list[tuple[str, str, Callable[[Tensor], Any]]] = [
        (
            backbone,
            "train a run with another backbone",
            lambda x: module.backbone(module.features(x)),
        ),
        (
            f"head {module.head.name!r}",
            "train a run with another head",
            lambda x: module.decided(module.outputs(module.features(x)), by_rule=False),
        ),
    ]
    for part, remedy, function in parts:
        try:
            _program(_Part(module, function), rows)
        except Exception as reason:
            return _sentence(part, reason, remedy)
    return _sentence(f"rule {module.rule.name!r}", error, "name another one with --rule")


def _sentence(part: str, error: Exception, remedy: str) -> ConfigError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0].rstrip(".:") if lines else type(error).__name__
    return ConfigError(
        f"The {part} cannot be exported, because torch.export cannot trace it ({reason}): {remedy}."
    )
