"""From a folder of images to a table and to predictions, as docs/images.md says it."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mlc
from mlc import MultiLabelClassifier
from mlc.config.errors import DataError
from mlc.data import load_data, load_features
from mlc.data.__main__ import main as card
from mlc.data.base import SOURCES
from mlc.predict import main as predict_main
from mlc.runs.predicting import predict
from mlc.train import main
from mlc.training import defaults
from tests.conftest import REPOSITORY, Command
from tests.images import clothes, write_image

PAGE = (REPOSITORY / "docs" / "images.md").read_text(encoding="utf-8")
TRAIN = (
    "data=images",
    "data.path=clothes",
    "trainer.max_epochs=3",
    "backbone=cnn",
    "hydra.run.dir=run",
)


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


def test_the_commands_of_the_page_lead_from_a_folder_to_a_table(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clothes(tmp_path / "clothes")
    monkeypatch.setattr(defaults, "EPOCHS", ((math.inf, 2),))
    first, second, third, *_ = commands()
    assert first[:3] == ["python", "-m", "mlc.data"]
    assert "images of 8 x 8 pixels" in command(card, *first[3:]).out
    assert second[:3] == ["python", "-m", "mlc.train"]
    ended = command(main, *second[3:])
    assert ended.status == 0, ended.error
    for head in ("sigmoid", "pairwise", "pick_one"):
        assert re.search(rf"^{head}\n  fixed +3  0\.", ended.out, re.MULTILINE), ended.out
    assert len(list((tmp_path / "multirun").rglob("checkpoint.safetensors"))) == 9
    (groups,) = (word for word in third if word.startswith("head.groups="))
    names = load_data("images", path="clothes").label_names
    assert [[names[k] for k in group] for group in json.loads(groups.partition("=")[2])] == [
        ["black", "blue", "red"], ["jeans", "shirt"],
    ]  # fmt: skip


def test_the_table_of_the_page_is_read(command: Command, tmp_path: Path) -> None:
    (text,) = re.findall(r"^```text\n(file,split.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "labels.csv").write_text(text)
    for number in (1, 2):
        write_image(tmp_path / "images" / f"{number}.jpg", number)
    (words,) = (words for words in commands() if "data.path=labels.csv" in words)
    options: dict[str, Any] = dict(
        word.removeprefix("data.").split("=") for word in words if word.startswith("data.")
    )
    options["labels"] = options["labels"].strip("[]").split(",")
    data = SOURCES["images"].load(SOURCES.options("images", **options))
    assert data.targets.astype(int).tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {"train": [0], "test": [1]}


@pytest.fixture
def run(command: Command, tmp_path: Path) -> Path:
    clothes(tmp_path / "clothes")
    ended = command(main, *TRAIN, "data.size=[8,6]")
    assert ended.status == 0, ended.error
    return tmp_path / "run"


def test_a_run_predicts_from_files_folders_tables_and_arrays(
    run: Path, command: Command, tmp_path: Path
) -> None:
    data = load_data("images", path="clothes", size=[8, 6])
    with np.load(run / "predictions.npz") as stored, np.load(run / "split.npz") as split:
        expected, rows = stored["scores"], split["test"]
    files = sorted((tmp_path / "clothes").rglob("*.png"))
    tested = [files[row] for row in rows]
    loaded = mlc.load(run)
    np.testing.assert_allclose(loaded.scores(tested), expected, atol=1e-6)
    np.testing.assert_allclose(loaded.scores(data.features[rows]), expected, atol=1e-6)
    images = data.features[rows].reshape(-1, 3, 8, 6)
    np.testing.assert_array_equal(loaded.scores(images), loaded.scores(tested))
    np.testing.assert_array_equal(
        loaded.scores(images.transpose(0, 2, 3, 1)), loaded.scores(tested)
    )
    assert loaded.predict(str(tested[0])).shape == (1, 5)
    names = pd.Series(list(map(str, tested)))
    np.testing.assert_array_equal(loaded.scores(names), loaded.scores(tested))
    np.testing.assert_array_equal(loaded.scores(names.to_numpy()), loaded.scores(tested))
    of_files = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    assert "new_images/1.png" in of_files
    Path("new_images").mkdir()
    for number in (1, 2):
        write_image(Path(f"new_images/{number}.png"), number)
    exec(of_files.replace('"RUN"', '"run"'), {})
    # Another size and another mode are decoded to those of the training.
    Image.open(tested[0]).convert("L").resize((40, 30)).save(tmp_path / "other.png")
    pd.DataFrame({"file": ["other.png", str(tested[1])]}).to_csv("new.csv", index=False)
    table = predict(run, [Path("other.png"), tmp_path / "clothes" / "red_shirt", Path("new.csv")])
    assert list(table.columns[:3]) == ["row", "file", "labels"]
    assert table["file"].tolist() == [
        "other.png", *map(str, sorted((tmp_path / "clothes" / "red_shirt").iterdir())), "other.png",
        str(tested[1]),
    ]  # fmt: skip
    ended = command(predict_main, "run", "clothes/blue_jeans", "--output", "labels.csv")
    assert ended.status == 0, ended.error
    assert "pixels, a row is 3 x 8 x 6" in ended.error
    assert len(pd.read_csv("labels.csv")) == 8
    assert "Not used" not in ended.error
    for name in ("a.heic", "notes.txt"):
        Path("clothes/blue_jeans", name).write_bytes(b"")
    ended = command(predict_main, "run", "clothes/blue_jeans", "--output", "labels.csv")
    assert ended.status == 0, ended.error
    others = "Not used: 2 files that end otherwise than images do (.heic, .txt), such as clothes/"
    assert others in ended.error


def test_broken_images_are_refused_in_a_prediction(
    run: Path, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    good = str(next((tmp_path / "clothes" / "red_shirt").iterdir()))
    ended = command(predict_main, "run", "broken.png", good)
    assert ended.status == 1
    assert (
        ended.error.strip()
        .splitlines()[-1]
        .startswith(
            "mlc-predict: 1 of 2 images cannot be used: broken.png (it is no image of a known format)"
        )
    )
    assert "--skip-broken" in ended.error
    with pytest.raises(DataError, match="1 of 2 images cannot be used"):
        mlc.load(run).predict(["broken.png", good])
    with pytest.raises(DataError, match="it does not exist"):
        mlc.load(run).predict(["none.png"])


def test_a_run_that_skipped_broken_images_predicts_no_fewer_rows_than_it_is_given(
    command: Command, tmp_path: Path
) -> None:
    """In training they are left out; a prediction names them, or is refused."""
    good = sorted(clothes(tmp_path / "clothes", 3).rglob("*.png"))
    for name in ("clothes/red_shirt/broken.png", "broken.png"):
        (tmp_path / name).write_bytes(b"nothing")
    trained = command(main, *TRAIN, "data.broken=skip", "backbone.channels=[4]")
    assert trained.status == 0, trained.error
    assert "1 of 19 images is left out" in " ".join(trained.error.split())
    files = [str(good[0]), "broken.png", str(good[1])]
    refused = command(predict_main, "run", *files, "--output", "labels.csv")
    assert refused.status == 1
    assert "1 of 3 images cannot be used: broken.png" in refused.error
    assert "--skip-broken" in refused.error
    assert not Path("labels.csv").exists()
    ended = command(predict_main, "run", *files, "--output", "labels.csv", "--skip-broken")
    assert ended.status == 0, ended.error
    assert "Warning: 1 of 3 images has no prediction" in ended.error
    table = pd.read_csv("labels.csv")
    assert table["row"].tolist() == [1, 2, 3]
    assert table["file"].tolist() == files
    assert table.filter(like="score:").isna().all(axis=1).tolist() == [False, True, False]
    assert table["error"].fillna("").tolist() == ["", "it is no image of a known format", ""]
    without = predict(Path("run"), [good[0], good[1]])
    kept = table.drop(index=1, columns=["row", "error"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(
        kept.fillna({"labels": ""}), without.drop(columns="row"), check_exact=False, atol=1e-5
    )
    data = load_data("images", path="clothes", broken="skip")
    with pytest.raises(DataError, match="1 of 4 images cannot be used"):
        load_features("clothes/red_shirt", data, "images", broken="skip")


def arrays(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    data = load_data("images", path=str(clothes(tmp_path / "clothes", 5)))
    return data.features.reshape(-1, 3, 8, 8), data.targets.astype(int)


QUICK: dict[str, Any] = {
    "backbone": "cnn", "max_epochs": 3, "random_state": 0, "decision": "global",
    "backbone_options": {"channels": [4, 8]},
}  # fmt: skip


def test_the_estimator_takes_images_in_either_order(tmp_path: Path) -> None:
    images, y = arrays(tmp_path)
    first = MultiLabelClassifier(**QUICK).fit(images, y)
    last = MultiLabelClassifier(**QUICK).fit(images.transpose(0, 2, 3, 1), y)
    scores = first.predict_proba(images)
    np.testing.assert_array_equal(last.predict_proba(images), scores)
    assert first.n_features_in_ == 192
    assert first.predict(images[:1]).shape == (1, 5)
    floats = MultiLabelClassifier(**QUICK).fit(images / np.float32(255), y)
    np.testing.assert_allclose(floats.predict_proba(images / 255), scores, atol=1e-5)
    with pytest.raises(DataError, match=r"fit was given images .* of the shape \(3, 8, 8\)"):
        first.predict(images[:, :, :4])
    with pytest.raises(DataError, match=r"fit was given images .* of the shape \(3, 8, 8\)"):
        first.predict(images.reshape(len(images), -1))
    grey = MultiLabelClassifier(**QUICK).fit(images[:, 0], y)
    assert grey.predict(images[:, :1]).shape == y.shape


def test_the_estimator_of_the_page_runs(tmp_path: Path) -> None:
    images, y = arrays(tmp_path)
    of_arrays = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    few = of_arrays.replace("random_state=0", "random_state=0, max_epochs=1")
    names: dict[str, Any] = {"images": images, "y": y}
    exec(few, names)
    assert names["classifier"].predict(images).shape == y.shape


def test_arrays_that_are_no_images_are_refused(tmp_path: Path) -> None:
    images, y = arrays(tmp_path)
    with pytest.raises(DataError, match="the second or the last axis may be that of the channels"):
        MultiLabelClassifier(**QUICK).fit(images[..., :3], y)
    wrong = images / 255
    wrong[4, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="missing in image 4"):
        MultiLabelClassifier(**QUICK).fit(wrong, y)
    flat = MultiLabelClassifier(max_epochs=1).fit(images[:, 0, 0] / 255.0, y)
    with pytest.raises(DataError, match="fit was given no images"):
        flat.predict(images)


def test_the_estimator_takes_images_on_the_scale_of_the_fit() -> None:
    draw = np.random.default_rng(0)
    pixels, y = draw.integers(256, size=(12, 3, 8, 8), dtype=np.uint8), draw.random((12, 2)) < 0.5
    for X, wrong, message in (
        (pixels, pixels.astype(float), r"model was trained on pixels from 0 to 255 \(uint8\)"),
        (pixels / 255, pixels, r"are bytes \(uint8\), and those of the training were floats"),
        (pixels, [[1, 2], [3]], "X has rows of different lengths, and fit was given images"),
        (pixels, [], r"X has the shape \(0,\), and fit was given images"),
        (pixels.reshape(12, -1), [[1, 2], [3]], "X has rows of different lengths: give a row of"),
    ):
        fitted = MultiLabelClassifier(backbone="linear", max_epochs=1, random_state=0).fit(X, y)
        with pytest.raises(DataError, match=message):
            fitted.predict(wrong)


def test_several_networks_are_trained_one_after_another(tmp_path: Path) -> None:
    images, y = arrays(tmp_path)
    ensemble = MultiLabelClassifier(**QUICK, n_seeds=3).fit(images, y)
    assert ensemble.held_out_.shape == (3, 30)
    assert ensemble.history_["loss/train"].shape == (3, 3)
    mean = np.mean([_alone(ensemble, run, images) for run in range(3)], axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(images), mean, atol=1e-6)
    repeated = MultiLabelClassifier(**QUICK, n_seeds=3).fit(images, y)
    np.testing.assert_array_equal(repeated.predict_proba(images), ensemble.predict_proba(images))
    mlp = {**QUICK, "backbone": "mlp", "backbone_options": None, "widths": [8]}
    assert MultiLabelClassifier(**mlp, n_seeds=2).fit(images, y).predict(images).shape == y.shape


def _alone(ensemble: MultiLabelClassifier, run: int, images: np.ndarray) -> np.ndarray:
    votes = np.zeros((3, len(images)), dtype=bool)
    votes[run] = True
    return ensemble.predictor_.scores(images, votes)
