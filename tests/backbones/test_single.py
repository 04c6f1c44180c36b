"""An ordinary module as backbone: its runs axis, random numbers and training; what it must return."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout

import mlc
from mlc.backbones.base import BACKBONES, register_backbone
from mlc.backbones.single import SingleBackbone, single
from mlc.config.errors import ConfigError
from mlc.config.options import option
from mlc.config.registry import NoOptions
from mlc.config.schema import Config
from mlc.data.base import SOURCES, Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.heads.base import HEADS, KnownLabels
from mlc.runs.cohort import train_cohort
from mlc.runs.recorder import Recorder, RunResult
from mlc.train import main
from mlc.training.captured import step_for
from mlc.training.checkpoint import load_run, save_run
from mlc.training.grouping import cohorts
from mlc.training.loop import TrainerOptions, Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS
from mlc.training.steps import PlainStep
from tests.conftest import Command
from tests.registered import forget

SHAPE = (2, 4, 3)


@dataclasses.dataclass
class NetworkOptions:
    """Of the network below."""

    width: int = option(5, at_least=1)
    rate: float = option(0.0, at_least=0, below=1)


class Network(nn.Module):
    """Batch normalisation, a frozen layer, a tied one and a lazy one."""

    Options = NetworkOptions

    def __init__(self, sample_shape: tuple[int, ...], options: Any) -> None:
        super().__init__()
        self.rate = options.rate
        self.convolution = nn.Conv2d(sample_shape[0], 3, 3, padding=1)
        self.normal = nn.BatchNorm2d(3)
        n_positions = sample_shape[1] * sample_shape[2]
        self.frozen = nn.Linear(3 * n_positions, 6).requires_grad_(False)
        self.same, self.last = nn.Linear(6, 6), nn.LazyLinear(options.width)
        self.again = self.same

    def forward(self, samples: Tensor) -> Tensor:
        hidden = self.frozen(self.normal(self.convolution(samples)).relu().flatten(1))
        hidden = self.again(self.same(hidden).relu()).relu()
        outputs: Tensor = self.last(dropout(hidden, self.rate, self.training))
        return outputs


def backbone(seed: int = 0, **options: Any) -> SingleBackbone:
    return single(Network, NetworkOptions)(SHAPE, [NetworkOptions(**options)], [seed])


def made(n: int = 33) -> Dataset:
    features = np.random.default_rng(0).normal(size=(n, 24)).astype(np.float32)
    return Dataset(
        "made", features, features[:, :3] > 0.3, tuple(map(str, range(24))), tuple("abc"),
        np.ones(24, dtype=bool), sample_shape=SHAPE,
    )  # fmt: skip


def model_of(network: SingleBackbone) -> Model:
    known = KnownLabels(torch.as_tensor(made().targets), torch.arange(33).unsqueeze(0))
    head = HEADS["powerset"](5, 3, HEADS.options("powerset"), [0], known)
    return Model(network, head).double()


@pytest.fixture
def registered() -> Iterator[str]:
    register_backbone("of_tests", NetworkOptions)(Network)
    yield "of_tests"
    forget(BACKBONES, "of_tests")


def test_it_is_the_module_with_a_runs_axis_of_length_one() -> None:
    own = backbone().eval()
    samples = torch.randn(7, *SHAPE)
    torch.testing.assert_close(own(samples.flatten(1).unsqueeze(0))[0], own.network(samples))
    assert own.n_outputs == 5
    # The convolution's: 3 channels of 4 x 3.
    assert own.numbers_per_sample == 36
    plain = own.network.state_dict()
    assert {name: tuple(value.shape[1:]) for name, value in own.state_dict().items()} == {
        f"network.{name}": tuple(value.shape) for name, value in plain.items()
    }
    other = backbone(seed=1)
    other.load_state_dict(own.state_dict())
    for name, value in other.network.state_dict().items():
        torch.testing.assert_close(value, plain[name])


def test_random_numbers_are_the_seeds_own_and_leave_others_as_they_were() -> None:
    samples = torch.randn(1, 8, 24)

    def outputs(seed: int) -> Tensor:
        torch.rand(3 + seed)
        before = torch.get_rng_state()
        own = backbone(seed, rate=0.5)
        drawn = torch.stack([own(samples), own(samples)])
        assert torch.equal(torch.get_rng_state(), before)
        return drawn

    first, again, other = outputs(0), outputs(0), outputs(1)
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if OPTIMIZERS[name].stacked])
def test_three_epochs_are_those_of_a_loop_in_torch(name: str) -> None:
    references: dict[str, type[torch.optim.Optimizer]] = {
        "sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
        "adagrad": torch.optim.Adagrad, "adadelta": torch.optim.Adadelta,
        "rmsprop": torch.optim.RMSprop,
    }  # fmt: skip
    data, rows = made(), np.arange(32)
    split = Split(rows, rows, rows)
    scaling = fit_scaling(data, rows)
    resident = ResidentData(
        data.features, data.targets, [scaling], torch.device("cpu"), torch.float64
    )
    options = OPTIMIZERS.options(name, lr=0.02, weight_decay=0.1)
    ours, theirs = model_of(backbone()), model_of(backbone())
    optimizer = OPTIMIZERS[name](ours.parameters(), [options], ours.without_axis)
    settings = TrainerOptions(max_epochs=3, batch_size=32, monitor="loss")
    training = Training(ours, resident, [split], optimizer, [settings], [0])
    for number in (1, 2, 3):
        training.train_epoch(number)

    fields = {k: v for k, v in vars(options).items() if k not in ("name", "schedule")}
    weights = [p for p in theirs.parameters() if p.requires_grad]
    reference = references[name](weights, **fields)
    batch = resident.batch(torch.arange(32).unsqueeze(0))
    assert isinstance(batch.features, Tensor)
    sets = (batch.targets[0] @ torch.tensor([4.0, 2.0, 1.0]).double()).long()
    layer = theirs.head.output
    for _ in range(3):
        features = theirs.backbone.network(batch.features.view(-1, *SHAPE))  # type: ignore[operator, union-attr]
        logits = features @ layer.weight[0] + layer.bias[0]  # type: ignore[index]
        reference.zero_grad()
        cross_entropy(logits, sets).backward()
        reference.step()
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value, rtol=1e-9, atol=1e-9, msg=key)
    start = backbone().double().network.get_parameter("frozen.weight")
    torch.testing.assert_close(ours.state_dict()["backbone.network.frozen.weight"][0], start)


def test_sparse_gradients_move_only_their_rows() -> None:
    table = nn.Embedding(4, 2, sparse=True)
    before = table.weight.detach().clone()
    optimizer = OPTIMIZERS["sgd"](
        table.parameters(), [OPTIMIZERS.options("sgd", lr=1.0, momentum=0.0)], {table.weight}
    )
    table(torch.tensor([1, 3, 3])).sum().backward()
    optimizer.step()
    moved = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [2.0, 2.0]])
    torch.testing.assert_close(before - table.weight.detach(), moved)


def test_a_batch_of_one_row_uses_the_running_statistics() -> None:
    own = backbone().double()
    own(torch.randn(1, 8, 24).double())
    statistics = own.network.normal.running_mean.clone()  # type: ignore[union-attr]
    row = torch.randn(1, 1, 24).double()
    trained = own(row)
    assert torch.equal(own.network.normal.running_mean, statistics)  # type: ignore[union-attr, arg-type]
    assert own.network.normal.training  # type: ignore[union-attr]
    torch.testing.assert_close(trained, own.eval()(row))


def test_a_checkpoint_holds_tied_weights_and_statistics(tmp_path: Path) -> None:
    model, other = model_of(backbone()), model_of(backbone(seed=1))
    model(torch.randn(1, 8, 24).double())
    save_run(model, 0, tmp_path)
    load_run(other, tmp_path)
    assert other.backbone.network.normal.num_batches_tracked == 1  # type: ignore[union-attr]
    samples = torch.randn(1, 3, 24).double()
    torch.testing.assert_close(model.eval()(samples), other.eval()(samples))
    assert model.n_parameters == sum(p.numel() for p in model.parameters())


def config(name: str, **more: Any) -> Config:
    return Config(
        data=SOURCES.options("coloured_digits", n_train=60, n_test=20),
        backbone=BACKBONES.options(name),
        head=HEADS.options("sigmoid"),
        optimizer=OPTIMIZERS.options("adamw"),
        trainer=TrainerOptions(max_epochs=1),
        decisions=["global"],
        device="cpu",
        **more,
    )


class Forgetful(Recorder):
    """Keeps nothing."""

    def record(self, place: int, judged: RunResult) -> str:
        """Forget it."""
        return "done"


def test_its_cohorts_have_one_run(caplog: pytest.LogCaptureFixture) -> None:
    several = [config("cnn", seed=seed) for seed in range(3)]
    assert sorted(cohorts(several, max_runs=64, n_workers=1)) == [[0], [1], [2]]
    # Two that are given together all the same.
    outcomes = train_cohort(several[:2], Forgetful())
    assert all(isinstance(outcome, float) for outcome in outcomes), outcomes
    assert "broke" not in caplog.text


class Returns(nn.Module):
    """What it is told to."""

    give: Callable[[Tensor], Any]

    def __init__(self, sample_shape: tuple[int, ...], options: Any) -> None:
        super().__init__()

    def forward(self, samples: Tensor) -> Any:
        return type(self).give(samples)


@pytest.mark.parametrize(
    ("give", "sentence"),
    [
        (lambda samples: samples, r"returns \(2, 2, 4, 3\) for 2 samples of shape \(2, 4, 3\)"),
        (lambda samples: samples.sum(), r"returns \(\) for 2 samples"),
        (lambda samples: [samples], r"returns list for 2 samples .* must return a tensor \(2, D\)"),
        (lambda samples: samples @ samples, r"does not fit samples of shape \(2, 4, 3\) \("),
    ],
)
def test_what_gives_no_features_is_refused(give: Any, sentence: str) -> None:
    kind = single(type("Wrong", (Returns,), {"give": staticmethod(give)}), NoOptions)
    kind.name = "wrong"
    with pytest.raises(ConfigError, match=f"backbone 'wrong' {sentence}"):
        kind(SHAPE, [NoOptions()], [0])


def test_another_width_for_another_batch_is_refused() -> None:
    give = staticmethod(lambda samples: samples.flatten(1)[:, : len(samples)])
    kind = single(type("Wrong", (Returns,), {"give": give}), NoOptions)
    kind.name = "wrong"
    with pytest.raises(ConfigError, match=r"returns \(3, 3\) for 3 samples .* return \(3, 2\)"):
        kind(SHAPE, [NoOptions()], [0])(torch.zeros(1, 3, 24))


def test_a_step_of_any_module_is_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    scaling = fit_scaling(made(), np.arange(33))
    model = model_of(backbone())
    data = ResidentData(
        made().features, made().targets, [scaling], torch.device("cpu"), torch.float64
    )
    optimizer = OPTIMIZERS["sgd"](
        model.parameters(), [OPTIMIZERS.options("sgd")], model.without_axis
    )
    plain = PlainStep(model, data, optimizer)
    data.device = torch.device("cuda")
    assert step_for(plain, graphs=True) is plain


def test_a_run_trains_predicts_and_is_refused_on_a_table(
    registered: str, command: Command, write_arff: Callable[..., Path], tmp_path: Path
) -> None:
    quick = (f"backbone={registered}", "backbone.rate=0.2", "backbone.width=4", "device=cpu",
             "trainer.max_epochs=2", "hydra.run.dir=run")  # fmt: skip
    small = ("data=coloured_digits", "data.n_train=100", "data.n_test=30")
    ended = command(main, *small, *quick)
    assert ended.status == 0, ended.error
    assert "a sample is 3 x 8 x 8" in " ".join(ended.error.split())
    loaded = mlc.load(tmp_path / "run")
    data = SOURCES["coloured_digits"].load(
        SOURCES.options("coloured_digits", n_train=100, n_test=30)
    )
    images = data.features[data.parts["test"]]
    with np.load(tmp_path / "run" / "predictions.npz") as stored:
        expected = stored["scores"]
    np.testing.assert_allclose(loaded.scores(images), expected, atol=1e-6)
    np.testing.assert_array_equal(loaded.scores(images.reshape(30, 3, 8, 8)), loaded.scores(images))
    before = (tmp_path / "run" / "checkpoint.safetensors").stat().st_mtime_ns
    assert command(main, *small, *quick, "resume=true").status == 0
    assert (tmp_path / "run" / "checkpoint.safetensors").stat().st_mtime_ns == before
    refused = command(
        main, "data=arff", f"data.path={write_arff()}", "backbone=cnn", "hydra.run.dir=no"
    )
    assert refused.status == 2
    assert (
        refused.error.strip()
        .splitlines()[-1]
        .endswith(
            "The backbone 'cnn' does not fit samples of shape (2,) (it takes images: (channels, height,"
            " width)): choose another backbone, such as mlp, or other data."
        )
    )
