"""A step as one function is the plain step."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from mlc.config.errors import ConfigError
from mlc.training.captured import GraphStep
from mlc.training.compiled import CompiledStep
from mlc.training.steps import PlainStep
from tests.training.small import CPU, N_ROWS, cases, named, plain_step, train
from tests.training.test_capturable import CAPTURED_BACKBONES, OPTIMIZERS, require_equal

NETWORK = {"widths": [8], "dropout": 0.3}


def replayed(work: Callable[[], None]) -> Callable[[], None]:
    """A capture that, as CUDA's, does nothing until it is replayed."""
    return work


@pytest.fixture
def not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function that would be compiled, as it is."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)


def with_parameters(step: PlainStep, n: int) -> None:
    """Add parameters (R, 1, K) to the head, and a new optimizer of all."""
    model = step.model
    shape = model.n_runs, 1, model.head.n_labels
    added = (nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for _ in range(n))
    model.head.added = nn.ParameterList(added)
    kind = type(step.optimizer)
    step.optimizer = kind(list(model.parameters()), [step.optimizer.options] * model.n_runs)


def require_whole(change: Callable[[PlainStep], None] = lambda step: None, **parts: Any) -> None:
    """A training by whole steps is the training by plain ones."""
    plain, other = (plain_step(CPU, **{"network": NETWORK, **parts}) for _ in range(2))
    for step in (plain, other):
        change(step)
    expected = train(plain, plain, n_epochs=2)
    found = train(GraphStep(other, replayed, partial(CompiledStep, other)), other, n_epochs=2)
    # Adam divides rounding errors by the roots of small squares.
    require_equal(found, expected, 1e-6)


@pytest.mark.usefixtures("not_compiled")
class TestWholeSteps:
    @pytest.mark.parametrize(("head", "options", "n_labels"), cases(6, 70), ids=named)
    def test_every_heads(self, head: str, options: dict[str, Any], n_labels: int) -> None:
        require_whole(head=head, options=options, n_labels=n_labels)

    @pytest.mark.parametrize(("backbone", "network"), CAPTURED_BACKBONES, ids=named)
    def test_every_backbones(self, backbone: str, network: dict[str, Any]) -> None:
        require_whole(backbone=backbone, network=network)

    @pytest.mark.parametrize(("optimizer", "settings"), OPTIMIZERS, ids=named)
    def test_every_optimisers(self, optimizer: str, settings: dict[str, Any]) -> None:
        require_whole(optimizer=optimizer, settings=settings)

    @pytest.mark.parametrize("head", ["sigmoid", "pick_one"])
    def test_of_a_batch_in_parts(self, head: str) -> None:
        def change(step: PlainStep) -> None:
            step.n_parts = 3

        require_whole(change, head=head)

    def test_with_a_clipped_gradient(self) -> None:
        def change(step: PlainStep) -> None:
            step.clip_norm = 0.1

        require_whole(change)

    def test_with_two_parameters_of_one_gradient(self) -> None:
        def change(step: PlainStep) -> None:
            with_parameters(step, 2)
            head = step.model.head
            outputs = head.forward
            head.forward = lambda rows: outputs(rows) + (head.added[0] + head.added[1])
            step.clip_norm = 0.1

        require_whole(change)

    def test_with_weighted_rows(self) -> None:
        def change(step: PlainStep) -> None:
            step.losses._weights = torch.linspace(0, 2, N_ROWS, dtype=torch.float64)

        require_whole(change)


def test_a_step_compiles_without_a_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler sees one graph; on a GPU, tests/training/test_cuda.py compiles every head."""
    compiled = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda function, **o: compiled(function, backend="eager", **o)
    )
    require_whole(
        network={"widths": [8], "dropout": 0.3, "normalization": "batch"}, optimizer="sgd"
    )


def test_a_step_is_compiled_once_for_each_shape_of_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the loss does not depend on a parameter, whose steps without a gradient are counted."""
    compiled, graphs = torch.compile, []

    def remembered(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(
        torch, "compile", lambda function, **o: compiled(function, backend=remembered, **o)
    )
    step = plain_step(CPU, optimizer="sgd", backbone="linear", network={})
    with_parameters(step, 1)
    # As on CUDA, what is replayed keeps no Python object.
    whole = GraphStep(step, lambda work: work() or (lambda: None), partial(CompiledStep, step))
    train(whole, step)
    assert len(graphs) == 2
    assert not any("baddbmm" in graph.code for graph in graphs)
    # The compiler keeps none either, whose memory the next cohort needs.
    model = weakref.ref(step.model)
    del step, whole
    assert model() is None


def test_the_reason_of_a_compilers_failure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = torch.compile

    def failing(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(
        torch, "compile", lambda function, **o: compiled(function, backend=failing, **o)
    )
    step = plain_step(CPU, optimizer="sgd", backbone="linear", network={})
    whole = GraphStep(step, replayed, partial(CompiledStep, step))
    with pytest.raises(ConfigError, match=r"cannot compile the step \(RuntimeError: no compiler\)"):
        train(whole, step)


def test_a_step_that_cannot_be_compiled_is_named() -> None:
    step = plain_step(CPU, optimizer="sgd", network=NETWORK)
    loss = step.model.head.loss

    def interrupted(*arguments: Any) -> torch.Tensor:
        torch._dynamo.graph_break()
        losses: torch.Tensor = loss(*arguments)
        return losses

    step.model.head.loss = interrupted
    whole = GraphStep(step, replayed, partial(CompiledStep, step))
    with pytest.raises(ConfigError, match=r"trainer\.compile=true: torch cannot compile the step"):
        train(whole, step)
