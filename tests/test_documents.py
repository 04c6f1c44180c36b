"""Every link of the documents leads somewhere, and every code block is run, or its command parsed."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins

from experiments.harness import EXPERIMENTS
from hydra_plugins.mlc_fused_launcher import FusedLauncher
from hydra_plugins.mlc_fused_submitit_launcher import FusedSubmititLauncher
from hydra_plugins.mlc_search_sweeper import SearchSweeper
from mlc.config.errors import ConfigError
from mlc.config.schema import GROUPS, config_folder, parse, register_configs
from mlc.data.__main__ import main as mlc_data
from mlc.decisions import build_decision
from mlc.heads.base import HEADS
from mlc.launching.composing import composed
from mlc.launching.overrides import fitted
from tests.conftest import REPOSITORY, Command
from tests.documents import DOCUMENTS, anchors, blocks, commands, links, text_of

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = set(PROJECT["optional-dependencies"])
MODULES = {f"{target.partition(':')[0]}": name for name, target in PROJECT["scripts"].items()}
MODULES |= {"mlc.data": "mlc-data"}

# The Python blocks of each document, and what runs them.
PYTHON = {
    "README.md": (2, "tests/test_estimator.py, tests/test_readme.py"),
    "docs/architecture.md": (1, "this file"),
    "docs/export.md": (5, "tests/exporting/test_command.py, tests/exporting/test_writing.py"),
    "docs/extend.md": (6, "tests/runs/test_parts.py"),
    "docs/images.md": (2, "tests/test_images.py"),
    "docs/missing_labels.md": (1, "tests/training/test_missing_labels.py"),
    "docs/own_head.md": (1, "tests/test_train.py"),
    "docs/own_network.md": (4, "tests/heads/test_own_network.py"),
    "docs/pretrained.md": (3, "tests/backbones/test_pretrained.py"),
    "docs/python.md": (1, "tests/test_estimator.py, as a block of README.md"),
    "docs/start.md": (2, "this file"),
}
# Data blocks: tests/test_readme.py, tests/test_images.py and tests/runs/test_parts.py.
DATA = {"docs/data.md": 4, "docs/images.md": 1, "docs/extend.md": 1}
# Commands of the shell, and of tools that the tests do not start.
OF_OTHERS = {"python3", ".", "export", "squeue", "scancel", "ls"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_and_picture_leads_to_a_file_and_a_heading(document: str) -> None:
    for target in links(document):
        path, _, anchor = target.partition("#")
        if re.match(r"\w+:", path):
            continue
        file = (REPOSITORY / document).parent / path if path else REPOSITORY / document
        assert file.exists(), f"{document}: {target}"
        assert not anchor or anchor in anchors(file), f"{document}: {target}"


def test_the_navigation_of_the_site_names_every_page_once() -> None:
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    pages = re.findall(r": (\S+\.md)$", navigation, re.MULTILINE)
    own = [name for name in DOCUMENTS if re.match(r"docs/|experiments/", name)]
    assert sorted(pages) == sorted(
        [*own, "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "results/README.md"]
    )


def test_every_code_block_is_of_a_kind_that_is_run() -> None:
    counted = {name: len(blocks(name, "python")) for name in DOCUMENTS if blocks(name, "python")}
    assert counted == {name: n for name, (n, _) in PYTHON.items()}
    for document in DOCUMENTS:
        n_fences = len(re.findall(r"^ *```", text_of(document), re.MULTILINE))
        n_known = sum(len(blocks(document, language)) for language in ("sh", "python"))
        assert n_fences == 2 * (n_known + DATA.get(document, 0)), document


def test_the_block_of_the_python_page_is_that_of_the_front_page() -> None:
    assert blocks("docs/python.md", "python")[0] in blocks("README.md", "python")


def test_the_prediction_of_the_architecture_runs() -> None:
    head = HEADS["powerset"](4, 3, HEADS.options("powerset"), [0, 1])
    rule = build_decision("expected_jaccard")
    targets = torch.rand(2, 5, 3).round()
    names: dict[str, Any] = {"head": head, "rule": rule, "targets": targets}
    names["features"] = torch.rand(2, 5, 4)
    exec(blocks("docs/architecture.md", "python")[0], names)
    assert names["label_sets"].shape == targets.shape


def test_the_start_page_leads_from_a_file_to_labels(
    command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    write, use = blocks("docs/start.md", "python")
    exec(write, {})
    card = next(words for words in commands("docs/start.md") if words[0] == "mlc-data")
    printed = command(mlc_data, *card[1:])
    assert (printed.status, "600 rows, 3 labels" in printed.out) == (0, True), printed.error
    exec(use.replace("random_state=0", "random_state=0, max_epochs=20, lr=0.05"), {})
    assert capfd.readouterr().out.endswith("[['weather'], ['food', 'travel']]\n")


COMMANDS = [(document, words) for document in DOCUMENTS for words in commands(document)]


def ids(part: Any) -> str:
    return " ".join(part)[:70] if isinstance(part, list) else Path(part).stem


def words_of(module: str) -> list[tuple[str, list[str]]]:
    """The documents and arguments of the commands that run a module, by either of its names."""
    found = {}
    for document, words in COMMANDS:
        if words[1:3] == ["-m", module] and words[0].endswith("python"):
            found[" ".join(words[3:])] = (document, words[3:])
        elif words[0] == MODULES.get(module):
            found[" ".join(words[1:])] = (document, words[1:])
    return list(found.values())


def test_every_command_is_one_of_the_project() -> None:
    for document, words in COMMANDS:
        if words[0].endswith("python"):
            assert words[1] == "-m", (document, words)
            known = [*MODULES, "experiments", "pytest", "experiments.curves"]
            known += ["experiments.learned_features.features"]
            assert words[2] in known, (document, words)
        elif Path(words[0]).name == "pip":
            assert {*re.findall(r"\[(\w+)\]", " ".join(words))} <= EXTRAS, (document, words)
        elif words[0] == "make":
            check_target(document, words)
        else:
            assert words[0] in {*MODULES.values(), *OF_OTHERS}, (document, words)


def check_target(document: str, words: list[str]) -> None:
    target, *settings = words[1:]
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE), (document, words)
    allowed = {"EXPERIMENT": set(EXPERIMENTS), "BUDGET": {"quick", "full"}, "FULL": {"1"}}
    for setting in settings:
        name, _, value = setting.partition("=")
        assert value in allowed[name], (document, words)


def test_every_extra_that_is_named_exists() -> None:
    for document in DOCUMENTS:
        assert {*re.findall(r"mlc\[(\w+)\]", text_of(document))} <= EXTRAS, document


def test_the_small_build_of_torch_is_one_that_the_package_takes() -> None:
    """Else the package would replace it by the large build."""
    (required,) = (each for each in PROJECT["dependencies"] if re.match(r"torch\b", each))
    workflow = REPOSITORY / ".github" / "workflows" / "checks.yml"
    for text in (text_of("docs/start.md"), workflow.read_text(encoding="utf-8")):
        assert re.findall(r"pip install '?(torch[^ ']*)", text) == [required]


@pytest.mark.parametrize("document", ["README.md", "docs/start.md", "docs/sweeps.md"])
def test_a_list_of_the_commands_has_all(document: str) -> None:
    (listing,) = re.findall(r"(?:`mlc-\w+`(?:,| and|\s)*){4,}", text_of(document))
    assert {*re.findall(r"mlc-\w+", listing)} == set(PROJECT["scripts"])


@pytest.mark.parametrize("module", ["experiments", "experiments.curves"])
def test_the_experiments_that_are_run_exist(module: str) -> None:
    for document, words in words_of(module):
        assert words[0] in EXPERIMENTS, (document, words)
        assert words[1:] in ([], ["--budget", "full"], ["--budget", "quick"]), (document, words)


@pytest.mark.parametrize("module", sorted({*MODULES} - {"mlc.train", "mlc.data.__main__"}))
def test_the_arguments_of_every_command_are_read(module: str) -> None:
    name = "mlc.data.__main__" if module == "mlc.data" else module
    parser = importlib.import_module(name)._parser()
    for _, words in words_of(module):
        parser.parse_intermixed_args(words)


def each_job(words: list[str]) -> Iterator[list[str]]:
    """The overrides of some jobs of a sweep: a further job for each value that no registry has."""
    overrides = OverridesParser.create().parse_overrides([word for word in words if word != "-m"])
    values = {
        override.get_key_element(): list(override.sweep_string_iterator())
        if override.is_sweep_override()
        else [str(override.input_line).partition("=")[2]]
        for override in overrides
    }
    for key in values.keys() & GROUPS.keys():
        assert set(values[key][1:]) <= set(GROUPS[key]), words
    further = (len(each) for key, each in values.items() if key not in {"seed", *GROUPS})
    for job in range(max(further, default=1)):
        yield [f"{key}={each[min(job, len(each) - 1)]}" for key, each in values.items()]


# What names parts of its reader's module: tests/runs/test_parts.py runs it.
TRAININGS = [
    (document, words) for document, words in words_of("mlc.train") if "--import" not in words
]


@pytest.mark.parametrize(("document", "words"), TRAININGS, ids=ids)
def test_the_settings_of_every_training_are_accepted(document: str, words: list[str]) -> None:
    register_configs()
    for plugin in (FusedLauncher, SearchSweeper):
        Plugins.instance().register(plugin)
    # Options of other launchers than the default one are composed only in a launch.
    words = [word for word in words if not word.startswith("hydra.launcher.")]
    for job in each_job(words):
        parse(composed(job))


def test_a_wrong_setting_is_not_accepted() -> None:
    register_configs()
    with pytest.raises(ConfigError):
        parse(composed(next(each_job(["-m", "head=sigmoid", "optimizer.lr=-1,0.1"]))))


def test_the_options_of_launchers_are_accepted() -> None:
    """`composed` has no launcher; a launch corrects the words and composes them with Hydra's keys."""
    register_configs()
    Plugins.instance().register(FusedSubmititLauncher)
    example = ["hydra/launcher=fused_submitit", "hydra.launcher.parameters={timeout_min: 5}"]
    with_launcher = [words for _, words in TRAININGS if "hydra/launcher=" in " ".join(words)]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        for words in [example, *with_launcher]:
            given = [fitted(word, True) for word in words if re.match("hydra[./]launcher", word)]
            launcher = compose("train", given, return_hydra_config=True).hydra.launcher
            assert launcher._target_, words
