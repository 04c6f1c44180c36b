"""The training loop against a plain one, and what it keeps."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.config.schema import TrainerOptions
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.heads.base import HEADS
from mlc.layers import Streams
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.top_scores import best_threshold
from mlc.training.assembly import known_labels
from mlc.training.checkpoint import load_run, save_run
from mlc.training.loop import Epoch, Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(90, 4)).astype(np.float32)
TARGETS = FEATURES[:, :3] + 0.3 * RNG.normal(size=(90, 3)) > 0.3
DATA = Dataset("made", FEATURES, TARGETS, tuple("wxyz"), tuple("abc"), np.ones(4, dtype=bool))


def split_for(seed: int) -> Split:
    rows = np.random.default_rng(seed).permutation(60)
    return Split(np.sort(rows[:45]), np.sort(rows[45:]), np.arange(60, 90))


def prepare(
    seeds: list[int],
    head: str = "sigmoid",
    lr: float | list[float] = 0.01,
    each: list[dict[str, Any]] | None = None,
    device: torch.device = CPU,
    head_options: dict[str, Any] | None = None,
    **trainer: Any,
) -> Training:
    options = BACKBONES.options("mlp", widths=[8], dropout=0.2)
    backbone = BACKBONES["mlp"](4, [options] * len(seeds), seeds)
    splits = [split_for(seed) for seed in seeds]
    known = known_labels(DATA, splits)
    own_options = HEADS.options(head, **(head_options or {}))
    model = Model(backbone, HEADS[head](8, 3, own_options, seeds, known)).double().to(device)
    data = ResidentData(
        DATA.features,
        DATA.targets,
        [fit_scaling(DATA, s.train) for s in splits],
        device,
        torch.float64,
    )
    rates = lr if isinstance(lr, list) else [lr] * len(seeds)
    optimizer = OPTIMIZERS["adam"](
        list(model.parameters()), [OPTIMIZERS.options("adam", lr=rate) for rate in rates]
    )
    settings = {"max_epochs": 5, "batch_size": 16, "precision": "float64", **trainer}
    per_run = [{**settings, **own} for own in each or [{}] * len(seeds)]
    return Training(
        model, data, splits, optimizer, [TrainerOptions(**own) for own in per_run], seeds
    )


def values(epochs: list[Epoch], name: str, place: int = 0) -> list[float]:
    return [float(epoch.values[name][place]) for epoch in epochs]


def test_a_run_is_the_plain_loop_that_anyone_would_write() -> None:
    training = prepare([3], max_epochs=3)
    reference = prepare([3]).model
    optimizer = torch.optim.Adam(reference.parameters(), lr=0.01)
    split, order = split_for(3), Streams([3], "batch order")
    scaled = (FEATURES - FEATURES[split.train].mean(axis=0)) / FEATURES[split.train].std(axis=0)
    features, targets = torch.as_tensor(scaled).double(), torch.as_tensor(TARGETS).double()
    losses = []
    for _ in range(3):
        reference.train()
        total = 0.0
        for rows in torch.as_tensor(split.train)[order.permutations(45)[0]].split(16):
            optimizer.zero_grad()
            loss = reference.head.loss(reference(features[rows][None])[0], targets[rows])
            loss.mean().backward()
            optimizer.step()
            total += float(loss.detach().sum())
        losses.append(total / 45)
    epochs = list(training)
    assert values(epochs, "loss/train") == pytest.approx(losses, rel=1e-5)
    reference.eval()
    val = torch.as_tensor(split.val)
    outputs = reference(features[val][None])
    assert values(epochs, "loss/val")[-1] == pytest.approx(
        float(reference.head.loss(outputs[0], targets[val]).detach().mean()), rel=1e-5
    )
    _, jaccard = best_threshold(
        COUNT_METRICS["jaccard_samples"], reference.head.scores(outputs)[0], targets[val]
    )
    assert values(epochs, "val/jaccard_samples")[-1] == pytest.approx(float(jaccard), abs=1e-9)


@pytest.mark.parametrize("company", [[5, 3, 4], [3, 4, 5], list(range(63, -1, -1))], ids=len)
@pytest.mark.parametrize("head", HEADS)
def test_a_run_does_not_depend_on_its_company(head: str, company: list[int]) -> None:
    place = company.index(3)
    rates = [0.01 if seed == 3 else 0.002 * (seed + 1) for seed in company]
    # Where a head draws something for each run only with such options.
    options = {"chain": {"n_chains": 3}, "rakel": {"size": 2}}.get(head, {})
    together = prepare(company, head, lr=rates, head_options=options)
    alone = prepare([3], head, head_options=options)
    all_epochs, epochs = list(together), list(alone)
    for name in epochs[0].values:
        assert values(all_epochs, name, place) == pytest.approx(values(epochs, name), abs=1e-12)
    for name, weights in alone.model.state_dict().items():
        torch.testing.assert_close(
            together.model.state_dict()[name][place], weights[0], rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize(
    ("monitor", "followed", "expected"),
    [
        ("loss", [], set()),
        ("hamming_loss", [], {"val/hamming_loss"}),
        ("loss", ["f1_macro"], {"val/f1_macro"}),
        ("f1_macro", ["f1_macro", "f1_micro"], {"val/f1_macro", "val/f1_micro"}),
    ],
)
def test_what_is_monitored_and_followed_is_measured_and_nothing_else(
    monitor: str, followed: list[str], expected: set[str]
) -> None:
    (epoch,) = prepare([0, 1], max_epochs=1, monitor=monitor, followed=followed)
    assert {name for name in epoch.values if name.startswith("val/")} == expected


@pytest.mark.parametrize("monitor", ["loss", "jaccard_samples", "hamming_loss"])
def test_the_best_epochs_weights_are_kept_for_each_run(monitor: str) -> None:
    training = prepare([0, 1], lr=0.1, max_epochs=12, monitor=monitor)
    epochs = list(training)
    name = "loss/val" if monitor == "loss" else f"val/{monitor}"
    choose = max if monitor == "jaccard_samples" else min
    for place in range(2):
        followed = values(epochs, name, place)
        assert training.best_epoch[place] == followed.index(choose(followed)) + 1
        assert float(training.best_value[place]) == pytest.approx(choose(followed))
    val = torch.stack([torch.as_tensor(split_for(seed).val) for seed in (0, 1)])
    ((outputs, targets, _),) = training.model.outputs(training.data, val)
    if monitor == "loss":
        now = training.model.head.loss(outputs, targets).mean(dim=1)
    else:
        now = best_threshold(COUNT_METRICS[monitor], training.model.head.scores(outputs), targets)[
            1
        ]
    torch.testing.assert_close(now.double(), training.best_value)


def test_patience_ends_each_run_for_itself() -> None:
    training = prepare([0, 1, 2], lr=0.1, max_epochs=200, patience=3)
    epochs = list(training)
    assert len(epochs) == int(training.n_epochs.max()) < 200
    for place in range(3):
        assert training.n_epochs[place] == training.best_epoch[place] + 3
        assert sum(bool(epoch.active[place]) for epoch in epochs) == training.n_epochs[place]


def test_each_run_has_its_own_monitor_and_patience() -> None:
    own = [{"monitor": "loss", "patience": 2}, {"monitor": "f1_macro", "patience": None}]
    together = prepare([0, 1], lr=0.1, max_epochs=30, each=own)
    list(together)
    for place, settings in enumerate(own):
        alone = prepare([place], lr=0.1, max_epochs=30, **settings)
        list(alone)
        assert together.best_epoch[place] == alone.best_epoch[0]
        assert together.n_epochs[place] == alone.n_epochs[0]
        assert float(together.best_value[place]) == pytest.approx(float(alone.best_value[0]))


def test_a_run_that_diverges_fails_alone() -> None:
    training = prepare([0, 1], lr=[1e200, 0.01])
    list(training)
    assert list(training.failures) == [0]
    assert re.fullmatch(
        r"The loss is (nan|inf) from step 2 of epoch 1, at a learning rate of 1e\+200: lower"
        r" optimizer.lr, or choose another optimizer\.",
        str(training.failures[0]),
    )
    lone = prepare([1])
    list(lone)
    torch.testing.assert_close(training.best_value[1], lone.best_value[0])


def test_bfloat16_without_cuda_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs CUDA"):
        prepare([0], precision="bfloat16")


def test_weights_are_stored_and_read_back(tmp_path: Any) -> None:
    training = prepare([0, 1])
    list(training)
    save_run(training.model, 1, tmp_path)
    model = prepare([7]).model
    load_run(model, tmp_path)
    for name, weights in model.state_dict().items():
        assert torch.equal(weights[0], training.model.state_dict()[name][1])


@pytest.mark.parametrize(("head", "options"), [("chain", {"n_chains": 3}), ("rakel", {"size": 2})])
def test_what_a_run_drew_is_stored_with_its_weights(
    head: str, options: dict[str, Any], tmp_path: Any
) -> None:
    training = prepare([0, 1], head, head_options=options)
    list(training)
    save_run(training.model, 1, tmp_path)
    model = prepare([7], head, head_options=options).model
    load_run(model, tmp_path)
    head_of_two, loaded = training.model.head, model.head
    outputs = torch.randn(2, 5, loaded.n_outputs, dtype=torch.float64)
    # One run and two are added up in other orders, which the last digit may show.
    found, scores = loaded.scores(outputs[1:]), head_of_two.scores(outputs)[1:]
    torch.testing.assert_close(found, scores, rtol=0, atol=1e-14)
    targets = (torch.rand(2, 5, 3) < 0.5).double()
    expected = head_of_two.loss(outputs, targets)[1:]
    torch.testing.assert_close(loaded.loss(outputs[1:], targets[1:]), expected)


@pytest.mark.parametrize("head", HEADS)
def test_the_validation_loss_does_not_depend_on_how_rows_are_chunked(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds, size = [3, 4, 5], 4
    found = []
    # All 15 validation rows at once; room for 1 row; room for 9, of which two batches are taken.
    for at_once in (4096, 1, 9):
        monkeypatch.setattr("mlc.training.model._ROWS_AT_ONCE", at_once)
        training = prepare(seeds, head, batch_size=size)
        found.append(training._validate()["loss/val"])
    lone = [prepare([seed], head, batch_size=size)._validate()["loss/val"] for seed in seeds]
    for other in (*found[1:], torch.cat(lone)):
        torch.testing.assert_close(other, found[0], rtol=1e-12, atol=0)
    training.model.eval()
    batch = training.data.batch(training.val_rows)
    uniforms = Streams(seeds, "validation noise").uniform(15).double()
    with torch.no_grad():
        outputs = training.model(batch.features)
        losses = [
            training.model.head.loss(outputs[:, own], batch.targets[:, own], uniforms[:, own])
            for own in (slice(0, 4), slice(4, 8), slice(8, 12), slice(12, 15))
        ]
    torch.testing.assert_close(torch.cat(losses, dim=1).mean(dim=1), found[0], rtol=1e-12, atol=0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("head", HEADS)
def test_cuda_and_cpu_agree(head: str) -> None:
    on_gpu = list(prepare([0, 1], head, device=torch.device("cuda")))
    on_cpu = list(prepare([0, 1], head))
    for name in on_cpu[0].values:
        assert values(on_gpu, name) == pytest.approx(values(on_cpu, name), abs=1e-9)


def test_every_sample_draws_afresh_in_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    training = prepare([3, 4], "pick_one", max_epochs=3, batch_size=45)
    drawn, loss = [], training.model.head.loss

    def watched(
        outputs: torch.Tensor, targets: torch.Tensor, uniforms: torch.Tensor
    ) -> torch.Tensor:
        if training.model.training:
            drawn.append(uniforms.clone())
        return loss(outputs, targets, uniforms)

    monkeypatch.setattr(training.model.head, "loss", watched)
    list(training)
    assert len(drawn) == 3
    # Three epochs of two runs with 45 samples each, and no number twice.
    numbers = torch.stack(drawn)
    assert numbers.unique().numel() == numbers.numel() == 3 * 2 * 45
    assert ((numbers >= 0) & (numbers < 1)).all()
