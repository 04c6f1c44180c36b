"""Names, links and the address that a view is opened by."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from tensorboard.plugins.hparams import metadata

from mlc.files.names import EVENTS
from mlc.tracking.events import EventFile, scalars
from mlc.tracking.view import EXPERIMENT, View, ViewedRun, link, pinned_tags
from tests.tracking.test_events import read


def make_run(folder: Path, head: str, seed: int, **more: Any) -> ViewedRun:
    settings = more.get("settings", {})
    own = folder / "-".join([head, str(seed), *settings.values()])
    events = EventFile(own / f"{EVENTS}.17.host")
    events.add(scalars({"loss/train": 1.0}), 1)
    events.close()
    frame = pd.DataFrame({"epoch": [1], "loss/train": [1.0], "val/f1_macro": [seed / 10]})
    frame.to_csv(own / "history.csv", index=False)
    facts = {"sweep": "night", "data": "yeast", **more}
    return ViewedRun(own, head=head, seed=seed, **facts)


def in_tensorboards_order(view: Path) -> list[str]:
    """Runs by the times of their first records, as TensorBoard lists them."""
    folders = {path.parent for path in view.rglob(f"{EVENTS}.*")}
    began = {folder: read(folder).FirstEventTimestamp() for folder in folders}
    return [own.relative_to(view).as_posix() for own in sorted(folders, key=began.__getitem__)]


def groups(names: list[str], address: str) -> list[str]:
    """What the address groups the runs of these names by."""
    value = parse_qs(urlsplit(address).query)["runColorGroup"][0]
    pattern = value.removeprefix("regex:")
    return [found[1] for name in names if (found := re.search(pattern, name))]


def test_names_sort_as_the_sweep_was_written_and_lead_to_the_runs_events(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, head, seed) for head in ("sigmoid", "chain") for seed in (2, 10)]
    view = View(tmp_path / "view", bands=False)
    view.refresh(runs)
    expected = ["1 sigmoid/seed=02", "1 sigmoid/seed=10", "2 chain/seed=02", "2 chain/seed=10"]
    assert in_tensorboards_order(tmp_path / "view") == expected == sorted(expected)
    assert [
        event.value for event in read(tmp_path / "view" / expected[1]).Scalars("loss/train")
    ] == [1]
    address = link("http://localhost", [], by_head=True)
    assert groups(expected, address) == ["sigmoid", "sigmoid", "chain", "chain"]


def test_runs_keep_their_names_while_others_are_added(tmp_path: Path) -> None:
    view = View(tmp_path / "view", bands=False)
    late = make_run(tmp_path, "chain", 0)
    view.refresh([late])
    view.refresh([make_run(tmp_path, "sigmoid", 0), late])
    assert in_tensorboards_order(tmp_path / "view") == ["1 chain/seed=0", "2 sigmoid/seed=0"]


def test_sweeps_and_data_sets_are_named_where_there_are_several(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / sweep / data, "sigmoid", 0, sweep=sweep, data=data)
        for sweep in ("b", "a")
        for data in ("yeast", "enron")
    ]
    view = View(tmp_path / "view", bands=False)
    view.refresh(runs)
    assert in_tensorboards_order(tmp_path / "view") == [
        "1 b/1 yeast/1 sigmoid/seed=0", "1 b/2 enron/1 sigmoid/seed=0",
        "2 a/1 yeast/1 sigmoid/seed=0", "2 a/2 enron/1 sigmoid/seed=0",
    ]  # fmt: skip
    assert set(groups(view.names, link("http://localhost", [], by_head=True))) == {"sigmoid"}


def test_settings_that_differ_are_named_and_coloured_where_the_head_is_one(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path, "sigmoid", 0, settings={"optimizer.lr": lr, "trainer.patience": "3"})
        for lr in ("0.1", "0.01")
    ]
    view = View(tmp_path / "view", bands=False)
    view.refresh(runs)
    assert view.names == ["1 sigmoid optimizer.lr=0.1/seed=0", "2 sigmoid optimizer.lr=0.01/seed=0"]
    address = link("http://localhost", [], by_head=False)
    assert len(set(groups(view.names, address))) == 2
    address = link("http://localhost", [], by_head=True)
    assert groups(view.names, address) == ["sigmoid", "sigmoid"]


def test_one_description_of_the_columns_and_it_is_renewed(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "sigmoid", seed, tags=["test/global/f1_macro"]) for seed in (0, 1)]
    sweeps_own = EventFile(runs[0].folder / EXPERIMENT)
    sweeps_own.close()
    view = View(tmp_path / "view", bands=False)
    for more in ([], [make_run(tmp_path, "chain", 0)]):
        view.refresh([*runs, *more])
    described = list((tmp_path / "view").rglob(EXPERIMENT))
    assert [path.parent.name for path in described] == ["seed=0"]
    assert not described[0].is_symlink()
    content = read(described[0].parent).summary_metadata[metadata.EXPERIMENT_TAG]
    told = metadata.parse_experiment_plugin_data(content.plugin_data.content)
    assert [info.display_name for info in told.hparam_infos] == ["head", "seed"]
    assert [info.name.tag for info in told.metric_infos] == ["test/global/f1_macro"]


def test_bands_take_the_place_of_the_runs(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path, head, seed, chosen=1, monitor="f1_macro", value=0.5)
        for head in ("sigmoid", "chain")
        for seed in (1, 3)
    ]
    unfinished = make_run(tmp_path, "chain", 4)
    view = View(tmp_path / "view", bands=True)
    view.refresh([*runs, unfinished])
    expected = [
        f"{head}/{of}" for head in ("1 sigmoid", "2 chain") for of in ("mean", "lowest", "highest")
    ]
    assert in_tensorboards_order(tmp_path / "view") == expected
    mean = read(tmp_path / "view" / "2 chain" / "mean")
    assert mean.Scalars("val/f1_macro")[0].value == pytest.approx(0.2)
    assert groups(expected, link("http://localhost", [], by_head=True))[2:4] == [
        "sigmoid",
        "chain",
    ]


def test_the_address_holds_no_smoothing_and_the_cards_in_their_order() -> None:
    pinned = pinned_tags(["f1_macro"], ["jaccard_samples", "f1_macro", "subset_accuracy"])
    assert pinned == [
        "loss/train", "loss/val", "val/f1_macro", "val/jaccard_samples", "val/subset_accuracy",
        "val/f1_macro_at_chosen_epoch",
    ]  # fmt: skip
    parts = urlsplit(link("http://127.0.0.1:6006", pinned, by_head=True))
    assert (parts.netloc, parts.fragment) == ("127.0.0.1:6006", "timeseries")
    query = parse_qs(parts.query)
    assert query["smoothing"] == ["0"]
    cards = json.loads(query["pinnedCards"][0])
    assert cards == [{"plugin": "scalars", "tag": tag} for tag in pinned]


def test_a_monitored_loss_is_pinned_once() -> None:
    assert pinned_tags(["loss"], []) == ["loss/train", "loss/val", "val/loss_at_chosen_epoch"]


def test_the_columns_of_a_running_sweep_have_room_for_the_heads_to_come(tmp_path: Path) -> None:
    running = [make_run(tmp_path, "sigmoid", seed) for seed in (0, 1)]
    for name, runs in (("running", running), ("ended", [replace(r, chosen=1) for r in running])):
        View(tmp_path / name, bands=False).refresh(runs)
        (path,) = (tmp_path / name).rglob(EXPERIMENT)
        content = read(path.parent).summary_metadata[metadata.EXPERIMENT_TAG]
        told = metadata.parse_experiment_plugin_data(content.plugin_data.content)
        columns = [info.display_name for info in told.hparam_infos]
        assert columns == (["head", "seed"] if name == "running" else ["seed"])
        # A domain would hide the rows of heads that are not in it.
        limited = [info.WhichOneof("domain") is not None for info in told.hparam_infos]
        assert limited == ([False, False] if name == "running" else [True])
