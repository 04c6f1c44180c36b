"""Folders that name labels: what is refused or noted, because it would change labels without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.config.errors import DataError
from mlc.data import load_data
from tests.images import write_image


def folders(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        write_image(root / name / "1.png", number)
    return root


@pytest.mark.parametrize("other", ["extra", "validate"])
def test_parts_beside_another_folder_are_no_labels(tmp_path: Path, other: str) -> None:
    root = folders(tmp_path / "pets", "Train/cat", "train/dog", "test/cat", f"{other}/dog")
    with pytest.raises(
        DataError, match=rf"the folders Train, test, train are parts, and {other} is none, .*: move"
    ):
        load_data("images", path=str(root))


def test_a_folder_of_one_part_is_no_label(tmp_path: Path) -> None:
    root = folders(tmp_path / "pets", "train/cat", "train/dog")
    with pytest.raises(DataError, match=r"lie in the folder train, .*: name \S+pets/train in data"):
        load_data("images", path=str(root))
    assert load_data("images", path=str(root / "train")).label_names == ("cat", "dog")


def test_one_folder_that_is_called_like_a_part_may_be_a_label(tmp_path: Path) -> None:
    root = folders(tmp_path / "vehicles", "train", "car", "bus")
    assert load_data("images", path=str(root)).label_names == ("bus", "car", "train")


def test_files_that_do_not_end_as_images_are_noted(tmp_path: Path) -> None:
    root = folders(tmp_path / "pets", "cat", "dog")
    write_image(root / "bird" / "1.png").rename(root / "bird" / "1.heic")
    (root / "cat" / "notes").write_text("")
    (root / "cat" / ".hidden").write_text("")
    (root / "labels.csv").write_text("")
    note = load_data("images", path=str(root)).notes[-1]
    assert note == (
        "Not used: 2 files that end otherwise than images do (.heic, no ending), such as bird/1.heic."
    )


def test_jpeg_files_may_have_any_ending_of_theirs(tmp_path: Path) -> None:
    root = folders(tmp_path / "pets", "cat")
    for ending in ("jpeg", "jpe", "JFIF"):
        write_image(root / "dog" / f"1.{ending}", format="JPEG")
    data = load_data("images", path=str(root))
    assert data.targets[:, data.label_names.index("dog")].sum() == 3


def test_labels_that_differ_by_case_are_named(tmp_path: Path) -> None:
    root = folders(tmp_path / "clothes", "Black_jeans", "black_shirt")
    assert "'Black' and 'black'" in load_data("images", path=str(root)).notes[-1]
