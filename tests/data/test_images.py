"""Images from tables and folders, their cache, and what is wrong with them."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlc.config.errors import ConfigError, DataError
from mlc.data import image_cache, image_pool, load_data
from mlc.data.__main__ import main as card
from mlc.data.base import Dataset
from mlc.data.cache import cache_folder
from mlc.data.image_copies import copies
from mlc.data.image_files import decode
from mlc.data.sealed import write_sealed
from tests.conftest import Command
from tests.images import clothes, random_image, write_image


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(n: int = 6, name: str = "labels.csv", **columns: Any) -> Path:
        """A table of n random images in a folder beside it."""
        for number in range(n):
            write_image(tmp_path / "images" / f"{number}.png", number)
        frame = pd.DataFrame(
            {"file": [f"images/{number}.png" for number in range(n)]}
            | {"kind": ["cat", "dog"] * (n // 2), "small": [0, 1] * (n // 2), "wet": [1] * n}
            | columns
        )
        path = tmp_path / name
        frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
        return path

    return write


def by_hand(folder: Path, n: int = 6) -> np.ndarray:
    images = [np.asarray(Image.open(folder / "images" / f"{i}.png")) for i in range(n)]
    return np.stack(images).transpose(0, 3, 1, 2).reshape(n, -1)


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
def test_a_table_names_images_and_only_the_named_labels_count(
    table: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    if name.endswith("tsv"):
        path = table(name="labels.csv")
        pd.read_csv(path).to_csv(tmp_path / name, index=False, sep="\t")
    else:
        table(name=name)
    data = load_data("images", path=str(tmp_path / name), labels=["small", "wet"])
    np.testing.assert_array_equal(data.features, by_hand(tmp_path))
    assert data.features.dtype == np.uint8
    assert isinstance(data.features, np.memmap)
    assert data.targets.tolist() == [[False, True], [True, True]] * 3
    assert data.label_names == ("small", "wet")
    assert (data.sample_shape, data.feature_names, data.name) == ((3, 6, 5), (), "labels")
    assert not data.numeric.any()


def test_the_files_of_a_table_from_windows_are_found(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    path = table(file=[f"images\\{number}.png" for number in range(6)])
    data = load_data("images", path=str(path), labels=["small"])
    np.testing.assert_array_equal(data.features, by_hand(tmp_path))
    # A backslash may also belong to a name.
    write_image(tmp_path / "images\\0.png", 5)
    data = load_data("images", path=str(path), labels=["small"])
    np.testing.assert_array_equal(data.features[0], by_hand(tmp_path)[5])
    frame = pd.read_csv(path)
    frame.loc[2, "file"] = "images/1.png"
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"images/1\.png is named in data row 2 as "):
        load_data("images", path=str(path), labels=["small"])


def test_a_column_of_label_sets_a_split_and_a_folder_elsewhere(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    sets = ["a;b", "b", "", "c", "a;c", "b"]
    parts = ["train", "Test", "train", "val", "training", "test"]
    path = table(tags=sets, part=parts)
    (tmp_path / "elsewhere").mkdir()
    path = path.rename(tmp_path / "elsewhere" / "labels.csv")
    data = load_data(
        "images", path=str(path), labels=["tags"], separator=";", split="part", folder=str(tmp_path)
    )
    assert data.label_names == ("a", "b", "c")
    assert data.targets.astype(int).tolist() == [
        [1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 1], [0, 1, 0],
    ]  # fmt: skip
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {
        "train": [0, 2, 4], "val": [3], "test": [1, 5],
    }  # fmt: skip
    assert data.parts_from == "from the column 'part' of labels.csv"


def test_folders_name_labels(tmp_path: Path) -> None:
    for number, name in enumerate(["black_jeans/1.png", "black_jeans/2.png", "red/1.png",
                                   "none/9.png", "blue/shirt/5.png"]):  # fmt: skip
        write_image(tmp_path / "clothes" / name, number)
    data = load_data("images", path=str(tmp_path / "clothes"), no_label=["none"])
    assert data.label_names == ("black", "blue", "jeans", "red", "shirt")
    # In the order of the paths: black_jeans, black_jeans, blue/shirt, none, red.
    assert data.targets.astype(int).tolist() == [
        [1, 0, 1, 0, 0], [1, 0, 1, 0, 0], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 1, 0],
    ]  # fmt: skip
    assert data.name == "clothes"
    assert data.notes == (
        "Labels are the names of folders, split at '_'; data.separator states another.",
    )
    whole = load_data("images", path=str(tmp_path / "clothes"), separator="none")
    assert whole.label_names == ("black_jeans", "blue", "none", "red", "shirt")


def test_folders_train_and_test_are_parts(tmp_path: Path) -> None:
    for number, name in enumerate(
        ["train/a/1.png", "train/b/1.png", "test/a/2.png", "val/b/3.png"]
    ):
        write_image(tmp_path / name, number)
    data = load_data("images", path=str(tmp_path))
    assert data.label_names == ("a", "b")
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {
        "test": [0], "train": [1, 2], "val": [3],
    }  # fmt: skip


def test_a_folder_with_one_table_is_that_table(table: Callable[..., Path], tmp_path: Path) -> None:
    table()
    assert load_data("images", path=str(tmp_path), labels=["kind"]).label_names == ("cat", "dog")
    table(name="more.csv")
    with pytest.raises(DataError, match=r"holds labels.csv, more.csv: name the"):
        load_data("images", path=str(tmp_path), labels=["kind"])


def test_sizes_and_grey_are_chosen_and_said(table: Callable[..., Path], tmp_path: Path) -> None:
    path = table()
    write_image(tmp_path / "images" / "5.png", random_image(5, 9, 9))
    data = load_data("images", path=str(path), labels=["wet"])
    assert data.sample_shape == (3, 9, 9)
    (note,) = (note for note in data.notes if "resized" in note)
    assert note == (
        "5 images of 6 x 5 pixels were cropped around their centre and resized to 9 x 9 since they"
        " differ in size; data.size states another size."
    )
    write_image(tmp_path / "images" / "5.png", random_image(5, 9, 300))
    for _ in range(2):  # decoded, and from the cache
        data = load_data("images", path=str(path), labels=["wet"])
        assert data.sample_shape == (3, 224, 224)
        assert any(
            note.startswith("6 images of 6 to 9 pixels high and 5 to 300 wide were cropped")
            for note in data.notes
        )
    small = load_data("images", path=str(path), labels=["wet"], size=[6, 5], grey=True)
    assert small.sample_shape == (1, 6, 5)
    expected = [decode(tmp_path / "images" / f"{i}.png", 1, 6, 5).ravel() for i in range(6)]
    np.testing.assert_array_equal(small.features, expected)
    assert load_data("images", path=str(path), labels=["wet"], size=4).sample_shape == (3, 4, 4)
    for number in range(6):
        write_image(tmp_path / "images" / f"{number}.png", random_image(number, 6, 5, 1))
    assert load_data("images", path=str(path), labels=["wet"]).sample_shape == (1, 6, 5)


def test_broken_images_are_named_and_skipped_only_if_asked(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    path = table(8, part=["train", "test"] * 4)
    for number in (1, 2):
        (tmp_path / "images" / f"{number}.png").write_bytes(b"no image")
    whole = (tmp_path / "images" / "4.png").read_bytes()
    (tmp_path / "images" / "4.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "images" / "7.png").unlink()
    with pytest.raises(DataError) as caught:
        load_data("images", path=str(path), labels=["small"])
    sentence = str(caught.value)
    assert sentence.startswith("4 of 8 images cannot be used: ")
    assert sentence.endswith("repair or remove them, or set data.broken=skip.")
    for part in (
        "1.png (it is no image of a known format)", "2.png (", "4.png (image file is truncated",
        "7.png (it does not exist)",
    ):  # fmt: skip
        assert part in sentence
    data = load_data("images", path=str(path), labels=["small"], broken="skip", split="part")
    assert data.targets[:, 0].tolist() == [False, True, True, False]
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {
        "train": [0, 3], "test": [1, 2],
    }  # fmt: skip
    np.testing.assert_array_equal(
        data.features[3], decode(tmp_path / "images" / "6.png", 3, 6, 5).ravel()
    )
    assert data.notes[0].startswith("Warning: 4 of 8 images are left out: ")


def test_only_five_broken_images_are_named(table: Callable[..., Path], tmp_path: Path) -> None:
    path = table(10)
    for number in range(7):
        (tmp_path / "images" / f"{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"7 of 10 .*4\.png \([^)]*\), and 2 more: repair"):
        load_data("images", path=str(path), labels=["small"])
    for number in range(7, 10):
        (tmp_path / "images" / f"{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"No image can be decoded \(.*0\.png: it is no image"):
        load_data("images", path=str(path), labels=["small"], broken="skip")


def test_images_that_no_row_names_are_said(table: Callable[..., Path], tmp_path: Path) -> None:
    path = table(split=["train", "test"] * 3)
    write_image(tmp_path / "images" / "extra.png", 9)
    notes = load_data("images", path=str(path), labels=["kind"]).notes
    assert (
        f"Not used: 1 image in {tmp_path / 'images'} is in no row of labels.csv: extra.png."
        in notes
    )
    assert "The column 'split' seems to name parts: data.split=split uses them." in notes


@pytest.mark.parametrize(
    ("changes", "options", "sentence"),
    [
        ({}, {"labels": []}, r"needs data.labels=\[small,wet\], the column|needs data.labels"),
        ({}, {"file": "name"}, "there is no column 'name': name the column of the images"),
        ({"path": ["x"] * 6}, {}, "there are 2 columns of files"),
        ({"file": ["images/0.png"] * 6}, {}, "is named in data row 1 and in data row 2"),
        (
            {"file": ["images/0.png", "./images/0.png", *["images/1.png"] * 4]},
            {},
            "./images/0.png is named in data row 1 as images/0.png and in data row 2",
        ),
        (
            {"file": ["images/0.png", "images/1.png", "images/../images/0.png", *["x.png"] * 3]},
            {},
            r"0.png is named in data row 1 as images/0.png and in data row 3",
        ),
        (
            {"file": ["images/0.png", *[""] * 5]},
            {},
            "data row 2 names no image in the column 'file'",
        ),
        ({"part": ["train"] * 6}, {"split": "part"}, "names no test rows, only train"),
        (
            {"part": ["train", "test", "x"] * 2},
            {"split": "part"},
            "is 'x' in data row 3: write train",
        ),
        ({}, {"split": "part"}, "there is no column 'part': data.split may be file"),
        ({}, {"labels": ["sunny"]}, "there is no column 'sunny'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    table: Callable[..., Path], changes: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    path = table(**changes)
    with pytest.raises(DataError, match=sentence):
        load_data("images", **{"path": str(path), "labels": ["small"], **options})


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no file or folder .*none: correct data.path"):
        load_data("images", path=str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"holds no image \(\.jpg"):
        load_data("images", path=str(tmp_path))
    write_image(tmp_path / "a" / "1.png")
    with pytest.raises(DataError, match=r"All images .* lie in the folder a, so all have the same"):
        load_data("images", path=str(tmp_path))
    write_image(tmp_path / "b" / "1.png")
    with pytest.raises(DataError, match=r"there is no folder 'c', which data.no_label names"):
        load_data("images", path=str(tmp_path), no_label=["c"])
    write_image(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"1\.png lies in no folder that names its labels"):
        load_data("images", path=str(tmp_path))
    (tmp_path / "labels.csv").write_text("file,labels\n1.png,a\n")
    with pytest.raises(
        DataError, match=r"or name \S+/labels\.csv in data\.path, and the column with"
    ):
        load_data("images", path=str(tmp_path))
    with pytest.raises(DataError, match=r"data=images needs data.path"):
        load_data("images")
    with pytest.raises(ConfigError, match=r"size=\[1, 2, 3\] must be a height and a width"):
        load_data("images", path=str(tmp_path), size=[1, 2, 3])
    with pytest.raises(ConfigError, match=r"size=.* is out of range"):
        load_data("images", path=str(tmp_path), size=100_000)


def test_copies_of_an_image_in_two_parts_are_counted(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    path = table(part=["train", "test", "train", "val", "train", "test"])
    options: dict[str, Any] = {"path": str(path), "labels": ["small"]}

    def warnings(**more: Any) -> list[str]:
        return [note for note in load_data("images", **options, **more).notes if "pixels" in note]

    assert warnings() == warnings(split="part") == []
    # The same bytes within a part, then also in another one; the others differ in a corner.
    write_image(tmp_path / "images" / "2.png", 0)
    (inside,) = warnings()
    assert "2 images occur more than once" in inside
    assert warnings(split="part") == []
    near = np.array(random_image(0))
    near[0, 0, 0] ^= 1
    write_image(tmp_path / "images" / "3.png", Image.fromarray(near))
    write_image(tmp_path / "images" / "5.png", 0)
    (across,) = warnings(split="part")
    assert "3 images occur in more than one part" in across
    assert across.endswith(f"{tmp_path}/images/0.png and {tmp_path}/images/5.png.")


def test_copies_of_large_images_are_found_beside_those_with_the_same_middle() -> None:
    draw = np.random.default_rng(0)
    pixels = np.repeat(draw.integers(256, size=(1, 3000), dtype=np.uint8), 6, axis=0)
    pixels[1, 0] ^= 1
    pixels[[2, 4], 2999] ^= 1
    pixels[5] = draw.integers(256, size=3000)
    assert copies(pixels) == [[0, 3], [2, 4]]


def test_links_give_an_image_the_labels_of_all_its_folders(tmp_path: Path) -> None:
    for number in range(4):
        write_image(tmp_path / "store" / f"{number}.png", number)
    for number, folder in enumerate(("all/dog", "all/wet")):
        write_image(tmp_path / folder / "own.png", 10 + number)
    for name in ("cat", "small"):
        (tmp_path / "all" / name).symlink_to(tmp_path / "store", target_is_directory=True)
    # Back to a folder above, which ends the search.
    (tmp_path / "all" / "dog" / "up").symlink_to(tmp_path / "all", target_is_directory=True)
    (tmp_path / "all" / "wet" / "0.png").symlink_to(tmp_path / "store" / "0.png")
    data = load_data("images", path=str(tmp_path / "all"))
    assert data.label_names == ("cat", "dog", "small", "wet")
    both = [True, False, True, False]
    assert data.targets.tolist() == [
        [True, False, True, True], both, both, both, [False, True, False, False],
        [False, False, False, True],
    ]  # fmt: skip
    assert any(note.startswith("5 links lead to images") for note in data.notes)
    for part in ("train", "test"):
        write_image(tmp_path / "parts" / part / "dog" / "own.png", 1)
        (tmp_path / "parts" / part / "cat").symlink_to(tmp_path / "store", target_is_directory=True)
    with pytest.raises(DataError, match=r"test/cat/0\.png and .*train/cat/0\.png are links to one"):
        load_data("images", path=str(tmp_path / "parts"))


def test_processes_decode_as_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clothes(tmp_path)
    monkeypatch.setattr(image_pool, "_CHUNK", 5)
    expected = load_data("images", path=str(tmp_path))
    monkeypatch.setattr(image_pool, "_FEW", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result = load_data("images", path=str(tmp_path / "."))
    assert len(result.features) == 48
    assert str(result.features.filename).startswith(str(tmp_path / "cache"))
    np.testing.assert_array_equal(result.features, expected.features)
    assert result.digest == expected.digest


def _kill(*_: object) -> list[Any]:
    os._exit(1)


def test_a_decoder_that_crashes_is_an_error_of_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clothes(tmp_path, 1)
    monkeypatch.setattr(image_pool, "_FEW", 0)
    monkeypatch.setattr(image_cache, "decode_all", _kill)
    with pytest.raises(DataError, match=r"A process that decoded the images from .* was killed"):
        load_data("images", path=str(tmp_path))


def entries() -> list[Path]:
    folder = cache_folder()
    assert folder is not None
    return sorted((folder / "images").glob("*"))


def count_decodes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    files: list[Path] = []

    def counted(paths: Any, *shape: int) -> list[Any]:
        files.extend(paths)
        return decode_all(paths, *shape)

    decode_all = image_cache.decode_all
    monkeypatch.setattr(image_cache, "decode_all", counted)
    return files


def load(path: Path) -> Dataset:
    return load_data("images", path=str(path))


def test_images_are_decoded_once_until_one_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clothes(tmp_path, 1)
    files = count_decodes(monkeypatch)
    first = load(tmp_path)
    assert len(files) == 6
    assert load(tmp_path).digest == first.digest
    assert len(files) == 6
    # The same size and the same time of the last change.
    path = tmp_path / "red_shirt" / "000.png"
    content, status = bytearray(path.read_bytes()), path.stat()
    replaced = Image.open(path).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    replaced.save(path)
    path.write_bytes(path.read_bytes().ljust(len(content), b"\0")[: len(content)])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = load_data("images", path=str(tmp_path), broken="skip")
    assert len(files) == 12
    assert changed.digest != first.digest


DAMAGES = (
    "cut", "bytes", "shorter header", "json", "no json", "other", "rows", "pipe", "pipe of json", "link",
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_decoded_again(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clothes(tmp_path, 1)
    expected = np.array(load(tmp_path).features)
    sidecar, entry = entries()
    assert (sidecar.suffix, entry.suffix) == (".json", ".npy")
    content, facts = bytearray(entry.read_bytes()), json.loads(sidecar.read_text())
    if damage == "cut":
        entry.write_bytes(content[:-100])
    elif damage == "bytes":
        content[-50] ^= 1
        entry.write_bytes(content)
    elif damage == "shorter header":
        entry.write_bytes(content.replace(b"(6,", b"(5,"))
    elif damage == "json":
        sidecar.write_text(sidecar.read_text()[:-20])
    elif damage == "no json":
        sidecar.unlink()
    elif damage == "rows":
        # Without its hash this would exchange the labels of two images.
        text = sidecar.read_text()
        assert re.search(r"0,\s+1,", text)
        sidecar.write_text(re.sub(r"0,(\s+)1,", r"1,\g<1>0,", text, count=1))
    elif damage == "link":
        other = entry.rename(tmp_path / "elsewhere.npy")
        entry.symlink_to(other)
    elif "pipe" in damage:
        path = sidecar if "json" in damage else entry
        path.unlink()
        os.mkfifo(path)
    else:
        write_sealed(sidecar, {**facts["content"], "key": "0" * 64})
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(load(tmp_path).features, expected)
    warned = [record for record in caplog.records if "decoding again" in record.getMessage()]
    assert len(warned) == (damage != "no json")
    # What is no file is left alone: nothing can be cached in its place.
    is_left = "pipe" in damage or damage == "link"
    assert is_left == ("not cached" in caplog.text)
    caplog.clear()
    np.testing.assert_array_equal(load(tmp_path).features, expected)
    assert bool(caplog.records) == is_left


def test_an_entry_that_was_only_touched_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clothes(tmp_path, 1)
    load(tmp_path)
    _, entry = entries()
    os.utime(entry, (1, 1))
    files = count_decodes(monkeypatch)
    load(tmp_path)
    assert not files
    assert json.loads(entry.with_suffix(".json").read_text())["content"]["time"] == 10**9


def test_an_interrupted_decoding_leaves_no_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clothes(tmp_path, 1)

    def interrupted(*_: object) -> list[Any]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(image_cache, "decode_all", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(tmp_path)
    assert not entries()
    folder = cache_folder()
    assert folder is not None
    left = folder / "images" / f".{'0' * 32}.npy.abcd1234.mlc-part"
    left.write_bytes(b"of a killed process")
    os.utime(left, (1, 1))
    assert len(load(tmp_path).features) == 6
    assert not left.exists()


def test_without_a_cache_images_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clothes(tmp_path, 1)
    expected = load(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "red_shirt" / "000.png"))
    with caplog.at_level(logging.WARNING):
        data = load(tmp_path)
    assert "The decoded images were not cached" in caplog.text
    assert not isinstance(data.features, np.memmap)
    np.testing.assert_array_equal(data.features, expected.features)
    assert data.digest == expected.digest
    monkeypatch.setattr(image_cache, "_into_file", lambda *_: None)
    monkeypatch.setattr("mlc.data.files.free_bytes", lambda: 10)
    with pytest.raises(DataError, match="the decoded images would take"):
        load(tmp_path)


def test_a_full_disk_is_found_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clothes(tmp_path, 1)
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("mlc.data.image_cache.shutil.disk_usage", lambda _: usage)
    with caplog.at_level(logging.WARNING):
        assert len(load(tmp_path).features) == 6
    assert ": 100 B are free and 1.2 kB are needed" in caplog.text


def test_a_file_that_changes_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clothes(tmp_path, 1)
    path, decode_all = tmp_path / "red_shirt" / "000.png", image_cache.decode_all

    def changing(paths: Any, *shape: int) -> list[Any]:
        write_image(path, 7)
        return decode_all(paths, *shape)

    with monkeypatch.context() as patch:
        patch.setattr(image_cache, "decode_all", changing)
        with pytest.raises(DataError, match=r"000\.png was changed while the images were decoded"):
            load(tmp_path)
    assert len(load(tmp_path).features) == 6


def test_the_card_of_a_folder(command: Command, tmp_path: Path) -> None:
    clothes(tmp_path / "clothes")
    ended = command(card, "clothes")
    assert ended.status == 0, ended.error
    text = " ".join(ended.out.split())
    assert "clothes: 48 rows, 5 labels" in text
    assert "images of 8 x 8 pixels (colour), a byte each, divided by 255: 9.2 kB in all" in text
    assert "labels black, blue, jeans, red, shirt" in text
    frame = pd.DataFrame({"name": ["black_jeans/000.png", "red_shirt/001.png"] * 1, "dark": [1, 0]})
    frame = pd.concat(
        [frame, pd.DataFrame({"name": [f"blue_jeans/{i:03}.png" for i in range(8)], "dark": 0})]
    )
    frame.to_csv(tmp_path / "clothes" / "dark.csv", index=False)
    ended = command(card, "clothes/dark.csv", "--image", "name", "--labels", "dark")
    assert ended.status == 0, ended.error
    assert "dark: 10 rows, 1 label" in ended.out


def test_the_published_split_of_uc_merced(benchmarks: Path, tmp_path: Path) -> None:
    folder = benchmarks / "ucmerced"
    if not folder.is_dir():
        pytest.skip("there is no ucmerced")
    frame = pd.read_csv(folder / "labels.csv").iloc[::70]
    labels = [name for name in frame.columns if name not in ("file", "split", "scene_class")]
    frame.to_csv(tmp_path / "labels.csv", index=False)
    data = load_data(
        "images",
        path=str(tmp_path / "labels.csv"),
        folder=str(folder),
        labels=labels,
        split="split",
    )
    for part, rows in data.parts.items():
        np.testing.assert_array_equal(rows, np.flatnonzero(frame["split"] == part))
    # One of these 30 is not 256 x 256.
    assert data.sample_shape in ((3, 256, 256), (3, 224, 224))
    np.testing.assert_array_equal(data.targets, frame[labels].to_numpy() == 1)
    expected = [decode(folder / file, *data.sample_shape).ravel() for file in frame["file"]]
    np.testing.assert_array_equal(data.features, expected)


def test_labels_with_commas_between_them_are_taken_as_meant(table: Callable[..., Path]) -> None:
    taken = load_data("images", path=str(table()), labels=["small, wet,"])
    assert taken.label_names == ("small", "wet")
    assert any("it is taken as small and wet" in note for note in taken.notes)
    with pytest.raises(DataError, match=r"there is no column 'big' \(of 'small,big'\)"):
        load_data("images", path=str(table()), labels=["small,big"])
