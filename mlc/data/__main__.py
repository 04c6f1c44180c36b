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

from mlc.config.errors import ConfigError, MlcError
from mlc.config.imports import add_import_flag, import_parts, uncollected
from mlc.config.parsers import Parser
from mlc.launching.printing import printing
from mlc.launching.stopping import stopped_in_one_sentence


@printing("mlc-data")
def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, load and split the data, and print the card."""
    parsed = _parser().parse_intermixed_args(arguments)
    try:
        with stopped_in_one_sentence("mlc-data"):
            text = _card(parsed)
    except MlcError as error:
        print(f"mlc-data: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    print(text)


def _card(parsed: argparse.Namespace) -> str:
    """Return the card of the data set; draw its labels if asked.

    Raises:
        MlcError: the data set cannot be read, or a setting is invalid.
    """
    # Imports torch, which takes seconds.
    with uncollected():
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        from mlc.data.card_figure import draw_card
        from mlc.files.writing import write_atomically
        from mlc.launching.data_card import overrides, read_card
        from mlc.launching.overrides import advice

    import_parts(parsed.imports)
    try:
        card, targets = read_card(overrides(parsed), parsed.seed, parsed.vectors)
    except (HydraException, OmegaConfBaseException) as error:
        message = str(error).splitlines()[0]
        key = re.fullmatch(r"Could not override '([\w.]+)'\.?", message)
        if key is not None:
            hint = advice(key[1]).rstrip(", ") or "leave it out"
            message = f"There is no key {key[1]!r}: {hint}{'' if hint.endswith('?') else '.'}"
        raise ConfigError(message) from error
    if parsed.figure is not None:
        with write_atomically(parsed.figure) as file:
            draw_card(card, targets).savefig(file, format="png", dpi=150)
    return json.dumps(card.as_json(), indent=2) if parsed.json else card.text()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="mlc-data", description="Describe a data set, without training.")
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


if __name__ == "__main__":
    main()
