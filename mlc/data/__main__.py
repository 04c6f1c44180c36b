"""Entry point: print the card of a data set, without training.

python -m mlc.data posts.csv --labels tags --text body
python -m mlc.data yeast --figure yeast.png
python -m mlc.data FOLDER/NAME          # NAME.arff, or NAME-train.arff and NAME-test.arff
python -m mlc.data FOLDER               # of images, in folders that name their labels
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlc.config.errors import ConfigError, DataError, MlcError
from mlc.config.imports import add_import_flag, import_parts
from mlc.config.options import check
from mlc.config.schema import config_folder, register_configs
from mlc.config.texts import never_fail_to_print
from mlc.data.arff import find_files
from mlc.data.base import SOURCES
from mlc.data.card import Card, describe
from mlc.data.card_figure import draw_card
from mlc.data.files import located
from mlc.data.splits import split_dataset
from mlc.data.vectors import with_coverage
from mlc.files.writing import write_atomically
from mlc.launching.composing import composed
from mlc.launching.overrides import advice, fitted, quoted

_ENDINGS = {
    ".csv": "table", ".tsv": "table", ".txt": "table", ".tab": "table", ".psv": "table",
    ".dat": "table", ".data": "table", ".parquet": "table", ".arff": "arff",
    ".npz": "arrays", ".npy": "arrays", ".safetensors": "arrays", ".svm": "libsvm",
    ".libsvm": "libsvm", ".svmlight": "libsvm",
}  # fmt: skip
_SETTING = re.compile(r"\+{0,2}data\.\w+=")


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, load and split the data, and print the card."""
    never_fail_to_print()
    parsed = _parser().parse_intermixed_args(arguments)
    try:
        import_parts(parsed.imports)
        card, targets = read_card(overrides(parsed), parsed.seed, parsed.vectors)
        if parsed.figure is not None:
            with write_atomically(parsed.figure) as file:
                draw_card(card, targets).savefig(file, format="png", dpi=150)
    except (HydraException, OmegaConfBaseException) as error:
        message = str(error).splitlines()[0]
        key = re.fullmatch(r"Could not override '([\w.]+)'\.?", message)
        if key is not None:
            message = f"There is no key {key[1]!r}: {advice(key[1]).rstrip(', ') or 'remove it'}."
        print(f"mlc-data: {message}", file=sys.stderr)
        sys.exit(ConfigError.exit_status)
    except MlcError as error:
        print(f"mlc-data: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    print(json.dumps(card.as_json(), indent=2) if parsed.json else card.text())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlc-data", description="Describe a data set, without training."
    )
    parser.add_argument(
        "data",
        help="a file; or FOLDER/NAME of ARFF files, without their ending; or a folder of images; or the"
        " name of a data set as in data=NAME",
    )
    parser.add_argument(
        "--labels",
        action="extend",
        nargs="+",
        help="the column that holds label sets, or several of 0 and 1 (or yes and no)",
    )
    parser.add_argument("--text", help="the column whose words are the features")
    parser.add_argument("--image", help="the column that names image files")
    parser.add_argument(
        "--vectors", type=Path, help="a file of word vectors: how many words have one"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the validation part")
    parser.add_argument("--figure", type=Path, help="draw the labels into this PNG")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "settings",
        nargs="*",
        help="further settings, as in data.separator=;",
        metavar="KEY=VALUE",
    )
    add_import_flag(parser)
    return parser


def overrides(arguments: argparse.Namespace) -> list[str]:
    """Convert the command line to Hydra overrides.

    Raises:
        ConfigError: there is neither such a file nor such a data set.
    """
    name = arguments.data.removeprefix("data=")
    path = Path(name)
    ending = next((s.lower() for s in reversed(path.suffixes) if s.lower() in _ENDINGS), None)
    published = {file.stem for file in (config_folder() / "data").glob("*.yaml")}
    generated = {name for name in SOURCES if not hasattr(SOURCES[name].Options(), "path")}
    known = sorted(published | generated)
    if name in known:
        chosen = [f"data={name}"]
    elif arguments.image is not None and ending is not None:
        chosen = [
            "data=images",
            f"data.path={quoted(name)}",
            f"data.file={quoted(arguments.image)}",
        ]
    elif ending is not None:
        chosen = [f"data={_ENDINGS[ending]}", f"data.path={quoted(name)}"]
    elif _is_arff(name):
        chosen = ["data=arff", f"data.path={quoted(name)}"]
    elif located(name, None).is_dir():
        chosen = ["data=images", f"data.path={quoted(name)}"]
    else:
        raise ConfigError(
            f"There is no data set {name!r}: name a file that ends in {', '.join(_ENDINGS)},"
            f" FOLDER/NAME of ARFF files, a folder of images, or one of {', '.join(known)}."
        )
    # argparse assigns settings that follow --labels to it.
    settings = [name for name in arguments.labels or () if _SETTING.match(name)]
    labels = [name for name in arguments.labels or () if name not in settings]
    if labels:
        chosen.append(f"data.labels=[{','.join(map(quoted, labels))}]")
    if arguments.text is not None:
        chosen.append(f"data.text={quoted(arguments.text)}")
    return [*chosen, *(fitted(setting, False) for setting in [*settings, *arguments.settings])]


def read_card(chosen: list[str], seed: int, vectors: Path | None = None) -> tuple[Card, Any]:
    """Load the data set that the overrides choose; return its card and its targets (N, K).

    With a file of word vectors, a note of the card says how many words have one.

    Raises:
        MlcError: the data set cannot be read, or an override is invalid.
    """
    register_configs()
    config = composed(chosen)
    options = OmegaConf.to_object(config.data)
    check(options, "data.")
    dataset = SOURCES[config.data.name].load(options)
    if vectors is not None:
        dataset = with_coverage(dataset, vectors)
    split = split_dataset(dataset, options, seed)
    return describe(dataset, split, options, seed), dataset.targets


def _is_arff(name: str) -> bool:
    try:
        return bool(find_files(located(name, None)))
    except DataError:
        return False


if __name__ == "__main__":
    main()
