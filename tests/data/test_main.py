"""The command mlc-data."""

from __future__ import annotations

import gzip
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from mlc.data.__main__ import main
from mlc.launching.data_card import overrides
from tests.images import write_image

SOURCES_OF_FILES = ("arff", "arrays", "images", "libsvm", "table")
TEXT = "body,tags\n" + "rain on hill,wet;cold\nsun on road,warm\nfog on road,\n" * 8


def test_a_table_by_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "it's a file.csv"
    file.write_text(TEXT)
    main([str(file), "--labels", "tags", "--text", "body", "data.min_df=1"])
    said = " ".join(capsys.readouterr().out.split())
    assert "24 rows, 3 labels" in said
    assert "labels cold, warm, wet" in said
    assert "1.00 on average, 0 to 2; 33.3% of the rows have none, 33.3% exactly one" in said


def test_a_preset_by_its_name_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["digits", "--json", "data.n_train=60", "data.n_test=30"])
    card = json.loads(capsys.readouterr().out)
    assert card["parts"] == {"train": 48, "val": 12, "test": 30}
    assert sum(card["sizes"]) == 90


def test_arff_by_folder_and_name_and_a_name_as_in_an_override(
    write_arff: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_arff()
    main([str(base)])
    by_name = capsys.readouterr().out
    main([f"{base}.arff"])
    assert capsys.readouterr().out == by_name
    stated = Namespace(data="data=digits", labels=None, text=None, image=None, settings=[])
    assert overrides(stated) == ["data=digits"]


@pytest.mark.parametrize(
    "setting",
    [
        "data.separator=;",
        "backbone.widths=[64]",
        "decision.groups.groups=[[0,1],[2]]",
        "report.yardsticks=false",
        "backbone=linear",
    ],
)
def test_a_setting_behind_the_labels_is_no_label(setting: str) -> None:
    given = Namespace(
        data="posts.csv", labels=["tags", setting], text="body", image=None, settings=[]
    )
    *others, last = overrides(given)
    assert "data.labels=['tags']" in others
    assert last.partition("=")[0] == setting.partition("=")[0]


@pytest.mark.parametrize("name", ["seed=1", "head=3", "colour=red", "a.b=1", "data=1"])
def test_a_column_may_have_a_sign_of_equality(name: str) -> None:
    given = Namespace(data="posts.csv", labels=["tags", name], text="body", image=None, settings=[])
    (labels,) = (each for each in overrides(given) if each.startswith("data.labels="))
    assert name in labels


@pytest.mark.parametrize("path", ["data.path=rows.txt", "+data.path=rows.txt"])
def test_a_source_by_its_name(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # A folder of the source's name is no data set where a setting names the file.
    (tmp_path / "libsvm").mkdir()
    (tmp_path / "rows.txt").write_text("0 1:1 2:2\n0,1 2:1\n" * 12)
    main(["libsvm", path])
    assert "rows: 24 rows, 2 labels" in capsys.readouterr().out


def test_columns_are_named_by_how_they_were_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "posts.csv"
    texts = ["rain on the hill", "sun on the road", "fog on the road"]
    lines = [f"{texts[k % 3]};{'ab'[k % 2]};1.{k + 100},5;{k % 2};x{k % 3}" for k in range(24)]
    file.write_text("\n".join(["body;kind;price;flag;tag", *lines]))
    main([str(file), "--labels", "tag"])
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "features 1 numeric, standardised: price; 1 binary: flag; 5 categories of body (3), kind (2),"
        " one-hot" in said
    )
    assert "The values of body are taken as categories" in said
    assert "Marks in numbers: 1.100,5 in 'price' is read as 1100.5." in said
    main([str(file), "--labels", "tag", "--text", "body", "data.min_df=1"])
    said = " ".join(capsys.readouterr().out.split())
    assert "features 7 words of body (min_df 1) as TF-IDF (1 + log count," in said
    assert "Not used beside the text: the columns kind, price, flag." in said


def table_of_images(folder: Path, n: int = 24) -> Path:
    """A table that names images, with their labels and a number."""
    for number in range(n):
        write_image(folder / "pictures" / f"{number}.png", number)
    lines = [f"pictures/{k}.png,{'wet;cold' if k % 2 else 'warm'},{k * k}" for k in range(n)]
    (folder / "posts.csv").write_text("\n".join(["picture,tags,size", *lines]))
    return folder / "posts.csv"


def test_a_column_of_image_files_is_taken_for_the_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table_of_images(tmp_path)
    main([str(file), "--labels", "tags"])
    without = capsys.readouterr()
    assert without.err == (
        "The column 'picture' names images, which are taken as the features (--image picture);"
        " 'data.ignore=[picture]' takes the other columns instead.\n"
    )
    main([str(file), "--labels", "tags", "--image", "picture"])
    assert capsys.readouterr() == (without.out, "")
    assert "images of 6 x 5 pixels" in without.out
    main([str(file), "--labels", "tags", "data.ignore=[picture]"])
    card = capsys.readouterr()
    assert "1 numeric" in card.out
    assert card.err == ""


def test_names_of_images_that_are_not_there_are_no_categories_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few.csv").write_text("picture,tags\n" + "a.jpg,wet\nb.JPG,cold\n" * 5)
    main([str(tmp_path / "few.csv"), "--labels", "tags"])
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "Warning: the names of images in the column 'picture' are taken as categories: its images are"
        " read by data=images and 'data.file=picture', or leave it out by" in said
    )
    lines = "".join(f"{k}.jpg,{'wet' if k % 2 else 'cold'}\n" for k in range(30))
    (tmp_path / "many.csv").write_text(f"picture,tags\n{lines}")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "many.csv"), "--labels", "tags"])
    assert "data=images and 'data.file=picture'" in capsys.readouterr().err


def test_empty_texts_are_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "posts.csv"
    file.write_text(TEXT + ",wet\n  ,cold\n" + 'rain,"wet;\ncold"\n,warm\n')
    main([str(file), "--labels", "tags", "--text", "body"])
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "Warning: 3 of 28 texts are empty (data row 25, data row 26, data row 28 (line 30)): without any"
        " word, the labels of these rows cannot be told." in said
    )
    whole = tmp_path / "whole.csv"
    whole.write_text(TEXT)
    main([str(whole), "--labels", "tags", "--text", "body", f"data.test_path={file}"])
    assert "Test file: Warning: 3 of 28 texts are empty" in " ".join(
        capsys.readouterr().out.split()
    )
    main([str(whole), "--labels", "tags", "--text", "body"])
    assert "empty" not in capsys.readouterr().out


@pytest.mark.parametrize("ending", [".txt", ".ft", ".ft.txt", ".train", ".ft.gz"])
def test_labelled_texts_have_one_note(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"posts{ending}"
    lines = [f"__label__a __label__b some rain {k}0\n__label__b more sun {k}0\n" for k in range(12)]
    content = "".join(lines).encode()
    file.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    main([str(file)])
    assert capsys.readouterr().out.count("  note  ") == 1


def test_a_figure(
    tmp_path: Path, write_arff: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    main([f"{write_arff()}.arff", "--figure", str(tmp_path / "card.png")])
    assert (tmp_path / "card.png").read_bytes().startswith(b"\x89PNG")
    assert "rows, " in capsys.readouterr().out


def test_a_table_without_labels_is_told_its_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "questions.csv").write_text("id;question;topics\n7;how to;dog\n9;why;\n")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "questions.csv")])
    assert (
        "questions.csv has the columns id, question, topics: name the one that holds label sets, or"
        " those of 0 and 1, by --labels COLUMN" in capsys.readouterr().err
    )


def test_the_sources_of_files_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nothing"])
    _, _, said = capsys.readouterr().err.partition("for a file of another ending, one of ")
    names, is_found, _ = said.replace(" and ", ", ").partition(", data.path=FILE.")
    assert is_found
    # Other tests may have registered further sources.
    ours = [name for name in names.split(", ") if name in SOURCES_OF_FILES]
    assert ours == ["arff", "arrays", "images", "libsvm", "table"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "There is no data set 'nothing'"),
        (["libsvm", "rows.txt"], "a source's file by data.path=rows.txt."),
        (["a.csv", "--text", "title", "body", "--labels", "b"], "one column behind --text"),
        *(([source], f"data={source} needs data.path") for source in SOURCES_OF_FILES),
        (["gone.csv", "--labels", "tags"], "gone.csv"),
        (["digits", "data.n_train=-1"], "data.n_train=-1"),
        (["digits", "data.nothing=1"], "nothing"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code
    error = capsys.readouterr().err
    assert error.startswith("mlc-data: ")
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("sign", [";", "、", "|", ",", "#", "+", "&", "·"])
def test_a_separator_as_people_type_it(
    sign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "posts.tsv"
    lines = [f"{k % 5}.5\t{sign.join('ab'[: 1 + k % 2])}" for k in range(24)]
    file.write_text("\n".join(["x\ttags", *lines]), encoding="utf-8")
    main([str(file), "--labels", "tags", f"data.separator={sign}"])
    assert "24 rows, 2 labels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.min_count=1", "no key 'data.min_count': it is now called data.min_df."),
        ("missing_labels=mask", "no key 'missing_labels': did you mean data.missing_labels?\n"),
        (
            "data.source=arff",
            "no key 'data.source': it is now called data.name, and data=NAME sets",
        ),
        (
            "data.name=posts",
            "a data source with data=NAME, and the data set's title with data.title.",
        ),
    ],
)
def test_a_former_name_gives_the_new_one(
    setting: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "posts.csv"
    file.write_text(TEXT)
    with pytest.raises(SystemExit):
        main([str(file), "--labels", "tags", "--text", "body", setting])
    assert message in capsys.readouterr().err
