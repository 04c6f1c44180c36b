"""Entry point: export a finished run as one file that predicts label sets without mlc.

python -m mlc.export multirun/2026-01-31/12-00-00/yeast/powerset/seed=0 --to onnx --output yeast.onnx
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlc.config.errors import MlcError
from mlc.config.imports import add_import_flag, import_parts, uncollected
from mlc.config.texts import escaped
from mlc.launching.printing import printing
from mlc.launching.stopping import stopped_in_one_sentence


@printing("mlc-export")
def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, export the run, and print what was written."""
    args = _parser().parse_args(arguments)
    with stopped_in_one_sentence("mlc-export"):
        _run(args)


def _run(args: argparse.Namespace) -> None:
    """Do the work; a refusal is one sentence."""
    try:
        # Imports torch, which takes seconds.
        with uncollected():
            from mlc.exporting.command import export_run, single_run

        import_parts(args.imports)
        run = single_run(args.run)
        print(escaped(export_run(run, args.to, args.output, args.rule, args.card)))
    except MlcError as error:
        print(f"mlc-export: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except OSError as error:
        print(
            f"mlc-export: {error.filename or args.output} cannot be written ({error.strerror}).",
            file=sys.stderr,
        )
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlc-export",
        description="Write preprocessing, network and decision rule of a finished run as one file that"
        " predicts label sets without mlc, and a model card.",
    )
    parser.add_argument("run", type=Path, nargs="+", help="the folder of a finished run")
    parser.add_argument(
        "--to",
        metavar="FORMAT",
        help="onnx (needs the extra export), pt2 (torch.export) or torch (a folder of plain torch);"
        " without it the ending of --output decides",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="the file, or for torch the folder (model.onnx, model.pt2, model_torch)",
    )
    parser.add_argument("--rule", help="a decision rule of the run (default: its first tuned one)")
    parser.add_argument(
        "--card", type=Path, help="the model card (default: MODEL_CARD.md beside the output)"
    )
    add_import_flag(parser)
    return parser


if __name__ == "__main__":
    main()
