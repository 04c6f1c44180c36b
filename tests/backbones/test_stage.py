"""Frozen features: what a module declares, and a cache that is complete, shared and current."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

import mlc
from mlc.backbones import stage as stages
from mlc.backbones.base import BACKBONES, register_backbone
from mlc.backbones.stage import Stage, stage_of, staged
from mlc.config.errors import ConfigError, DataError
from mlc.config.options import option
from mlc.data.base import SOURCES
from mlc.train import main
from tests.conftest import Command
from tests.registered import forget

CALLS: list[int] = []
SECONDS = 0.0


@dataclasses.dataclass
class ScaledOptions:
    factor: float = option(2.0, above=0)


class Scaled(nn.Module):
    """Prepares images by a factor; a linear map of them."""

    def __init__(self, sample_shape: tuple[int, ...], options: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(int(np.prod(sample_shape)), 6)

    def forward(self, samples: Tensor) -> Tensor:
        CALLS.append(len(samples))
        time.sleep(SECONDS)
        outputs: Tensor = self.layer(samples.flatten(1))
        return outputs

    @staticmethod
    def prepare(samples: np.ndarray, options: Any) -> np.ndarray:
        return (options.factor * samples).astype(np.float32)


class Words(nn.Module):
    """Counts letters of texts."""

    def __init__(self, sample_shape: tuple[int, ...], options: Any) -> None:
        super().__init__()
        self.takes_tokens = True

    def forward(self, tokens: Tensor) -> Tensor:
        assert tokens.dtype == torch.int64
        return torch.stack([(tokens >= 0).sum(1), tokens.clamp(min=0).sum(1)], dim=1).float()

    @staticmethod
    def prepare(samples: list[str], options: Any) -> np.ndarray:
        rows = np.full((len(samples), 9), -1)
        for row, text in zip(rows, samples, strict=True):
            row[: len(text)] = [ord(letter) % 32 for letter in text][:9]
        return rows

    @staticmethod
    def fingerprint(options: Any) -> str:
        return "letters"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    register_backbone("scaled", ScaledOptions)(Scaled)
    register_backbone("words")(Words)
    monkeypatch.setattr(stages, "ROWS_OF_PART", 8)
    CALLS.clear()
    yield
    forget(BACKBONES, "scaled", "words")


def stage(**options: Any) -> Stage:
    return Stage(BACKBONES.options("scaled", frozen=True, **options))


def images(n: int = 21) -> np.ndarray:
    return np.random.default_rng(0).random((n, 1, 3, 4), dtype=np.float32)


def test_features_are_those_of_the_module() -> None:
    features, _ = stage().apply(images())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Scaled((1, 3, 4), None)
    with torch.no_grad():
        expected = network(torch.as_tensor(2 * images())).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-6)


def test_the_cache_saves_the_network() -> None:
    first, digest = stage(frozen_batch=5).apply(images())
    assert sum(CALLS) == 21
    again, same = stage(frozen_batch=5).apply(images())
    assert sum(CALLS) == 21
    np.testing.assert_array_equal(first, again)
    assert digest == same


def test_other_rows_options_or_weights_are_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    first, digest = stage().apply(images())
    changed = images()
    changed[20, 0, 0, 0] += 1
    assert stage().apply(changed)[1] != digest
    assert sum(CALLS) == 21 + 5  # Only the part of the changed row.
    assert stage(factor=3.0).apply(images())[1] != digest
    assert sum(CALLS) == 21 + 5 + 21
    monkeypatch.setattr(stages, "_SEED", 1)
    others, other = stage().apply(images())
    assert other != digest
    assert not np.allclose(first, others)


def test_a_lock_that_cannot_be_removed_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = stage().apply(images())
    for entry in entries():
        entry.rename(entry.with_suffix(".lock"))

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        np.testing.assert_array_equal(stage().apply(images())[0], first)


def test_features_that_are_no_numbers_are_refused() -> None:
    samples = images()
    samples[17, 0, 0, 0] = np.nan
    for _ in range(2):  # Nothing is cached.
        with pytest.raises(
            DataError, match=r"'scaled' computes an infinite feature.* from sample 18:"
        ):
            stage().apply(samples)


def entries() -> list[Path]:
    return sorted((Path(os.environ["XDG_CACHE_HOME"]) / "mlc").glob("*"))


def test_a_damaged_part_is_computed_again(caplog: pytest.LogCaptureFixture) -> None:
    first, _ = stage().apply(images())
    truncated, forged, *_ = entries()
    truncated.write_bytes(truncated.read_bytes()[:-7])
    forged.write_bytes(forged.read_bytes()[:-4] + b"evil")
    CALLS.clear()
    again, _ = stage().apply(images())
    np.testing.assert_array_equal(first, again)
    assert len(CALLS) == 2
    assert caplog.text.count("cannot be used") >= 2


def in_process(name: Any) -> None:
    global SECONDS
    SECONDS = 0.05
    part = stage()
    part.apply(images(80))
    name.put(sum(CALLS))


def test_a_killed_process_leaves_its_parts() -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=in_process, args=(context.Queue(),))
    process.start()
    deadline = time.monotonic() + 60
    while sum(path.suffix == ".arrays" for path in entries()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    n_left = sum(path.suffix == ".arrays" for path in entries())
    assert 3 <= n_left < 10
    features, _ = stage().apply(images(80))
    assert sum(CALLS) == 80 - 8 * n_left
    np.testing.assert_allclose(features, stage().compute(images(80)), atol=1e-6)


def test_processes_divide_the_parts() -> None:
    context = multiprocessing.get_context("fork")
    results: Any = context.Queue()
    processes = [context.Process(target=in_process, args=(results,)) for _ in range(2)]
    for process in processes:
        process.start()
    counts = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(counts) == 80
    assert min(counts) > 0
    assert {path.suffix for path in entries()} == {".arrays"}  # No lock is left.


def test_texts_reach_the_module_and_pixels_are_floats() -> None:
    letters = Stage(BACKBONES.options("words", frozen=True)).apply(["ab", "", "abc"])[0]
    np.testing.assert_array_equal(letters, [[2, 3], [0, 0], [3, 6]])
    pixels = (images() * 255).astype(np.uint8)
    batch = stages.as_batch(pixels, torch.device("cpu"))
    np.testing.assert_array_equal(batch.numpy(), (pixels / np.float32(255)))


def test_the_data_set_of_the_runs() -> None:
    data = SOURCES["digits"].load(SOURCES.options("digits", n_train=20, n_test=10))
    frozen = staged(data, stage())
    assert frozen.features.shape == (30, 6)
    assert frozen.numeric.all()
    assert frozen.raw is not None
    assert frozen.raw.shape == (1, 16, 24)
    assert "6 numbers that the frozen backbone 'scaled'" in frozen.notes[0]
    prepared = staged(data, Stage(BACKBONES.options("scaled")))
    np.testing.assert_allclose(prepared.features, 2 * data.features)
    assert prepared.sample_shape == (1, 16, 24)
    assert not prepared.numeric.any()
    assert stage_of(BACKBONES.options("cnn")) is None
    sparse = dataclasses.replace(data, features=csr_matrix(data.features))
    with pytest.raises(ConfigError, match=r"sparse columns .* data\.text=COLUMN"):
        staged(sparse, stage())


def test_a_sweep_costs_one_pass_and_predicts_from_images(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Parts of one batch: in other batches some processors round a row otherwise.
    monkeypatch.setattr(
        stages, "ROWS_OF_PART", BACKBONES.options("scaled", frozen=True).frozen_batch
    )
    few = ("data=digits", "data.n_train=40", "data.n_test=20", "trainer.max_epochs=1")
    plain = ("report.figures=false", "report.yardsticks=false", "hydra.launcher.n_workers=1")
    network = ("backbone=scaled", "backbone.frozen=true", "device=cpu")
    sweep = ("-m", "head=sigmoid,pick_one,powerset", "seed=0,1", "hydra.sweep.dir=sweep")
    ended = command(main, *sweep, *few, *plain, *network)
    assert ended.status == 0, ended.error
    data = SOURCES["digits"].load(SOURCES.options("digits", n_train=40, n_test=20))
    samples = data.features.reshape(-1, *data.sample_shape)
    CALLS.clear()
    features, _ = stage().apply(samples)
    assert not CALLS  # Workers have cached all parts.
    loaded = mlc.load("sweep/digits/powerset/seed=1")
    np.testing.assert_array_equal(loaded.predict(samples), loaded.predict(features))
    np.testing.assert_array_equal(loaded.scores(data.features), loaded.scores(features))


def test_the_fingerprint_covers_code_buffers_and_attributes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Plain(nn.Module):
        factor, offset = 1.0, 0.0

        def __init__(self, sample_shape: tuple[int, ...], options: Any) -> None:
            super().__init__()
            self.scale = Plain.factor
            self.register_buffer("shift", torch.tensor(Plain.offset), persistent=False)

        def forward(self, samples: torch.Tensor) -> torch.Tensor:
            return samples.flatten(1) * self.scale + self.shift

    code = tmp_path / "code.py"
    code.write_text("first")
    monkeypatch.setattr(stages, "inspect", SimpleNamespace(getfile=lambda _: str(code)))
    prepare = staticmethod(lambda samples, _: samples)
    register_backbone("plain_of_tests")(type("Prepared", (Plain,), {"prepare": prepare}))
    samples = np.zeros((2, 1, 2, 2), dtype=np.float32)

    def fingerprint() -> str:
        return Stage(BACKBONES.options("plain_of_tests", frozen=True)).fingerprint(samples)

    try:
        seen = [fingerprint()]
        assert fingerprint() == seen[0]
        Plain.factor = 2.0
        seen.append(fingerprint())
        Plain.offset = 1.0
        seen.append(fingerprint())
        code.write_text("second")
        seen.append(fingerprint())
        assert len(set(seen)) == 4
    finally:
        forget(BACKBONES, "plain_of_tests")


def test_a_data_set_is_staged_with_one_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    data = SOURCES["digits"].load(SOURCES.options("digits", n_train=20, n_test=10))
    seen: list[str] = []
    plain = Stage.fingerprint

    def fingerprint(self: Stage, sample: Any) -> str:
        seen.append(plain(self, sample))
        return seen[-1]

    monkeypatch.setattr(Stage, "fingerprint", fingerprint)
    frozen = staged(data, stage())
    assert frozen.raw is not None
    assert [frozen.raw.fingerprint] == seen
    assert frozen.raw.samples == "columns"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_frozen_network_on_a_device_has_the_features_of_the_cpu() -> None:
    options = BACKBONES.options("scaled", frozen=True)
    on_device = Stage(options, torch.device("cuda")).compute(images())
    np.testing.assert_allclose(on_device, stage().compute(images()), atol=1e-4)
