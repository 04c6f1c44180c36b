import pytest
import torch

from mlc.config.errors import CapacityError
from mlc.config.memory import readable
from mlc.heads.base import HEADS
from mlc.heads.memory import estimate, require_memory
from mlc.heads.plain import build_head


def test_the_estimate_counts_all_tensors_of_a_training() -> None:
    memory = estimate(
        HEADS["powerset"], 256, 10, HEADS.options("powerset"), batch_size=64, n_runs=2
    )
    assert memory.n_outputs == 1024
    assert memory.weights == memory.gradients == 4 * 2 * 257 * 1024
    assert memory.optimizer_state == 2 * memory.weights
    assert memory.activations == 4 * 2 * 64 * 1024 * 4
    assert memory.total == 4 * memory.weights + memory.activations


def test_a_head_that_does_not_fit_is_refused_before_it_is_allocated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlc.heads.memory.free_bytes", lambda device: 10_000_000)
    options = HEADS.options("powerset")
    require_memory(HEADS["powerset"], 10, 10, options)
    with pytest.raises(
        CapacityError, match=r"'powerset' does not fit with 20 labels.*10.0 MB are free"
    ):
        require_memory(HEADS["powerset"], 10, 20, options, device=torch.device("cpu"))


def test_bytes_are_readable() -> None:
    sizes = (12, 1500, 2.5e9, 3e24)
    assert [readable(n) for n in sizes] == ["12 B", "1.5 kB", "2.5 GB", "3e+03 ZB"]


@pytest.mark.parametrize("name", HEADS)
def test_with_many_labels_a_head_is_trained_or_refused_in_a_sentence(name: str) -> None:
    """A step and the scores of a head that takes 1,000 labels."""
    torch.manual_seed(0)
    targets = torch.rand(12, 1000) < 0.004
    targets[:, 0] = True
    if HEADS[name].many_labels:
        head = build_head(name, n_features=4, n_labels=1000, targets=targets)
        outputs = head(torch.randn(3, 4))
        head.loss(outputs, targets[:3].float()).sum().backward()
        scores = head.scores(outputs)
        assert scores.shape == (3, 1000)
        assert bool(scores.isfinite().all())
        return
    refused = (
        rf"'{name}' cannot be trained with 1,000 labels, .* choose sigmoid, .* fewer than 1,000"
    )
    with pytest.raises(CapacityError, match=refused):
        build_head(name, n_features=4, n_labels=1000, targets=targets)


def test_the_heads_that_many_labels_are_sent_to_take_them() -> None:
    assert {name for name in HEADS if not HEADS[name].many_labels} == {
        "chain", "f_measure", "pairwise", "powerset",
    }  # fmt: skip
