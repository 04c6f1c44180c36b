"""Entry point: train one run, or a sweep with --multirun.

python -m mlc.train -m head=sigmoid,powerset,pick_one data=yeast seed=range(5)
"""

from __future__ import annotations

import sys
from pathlib import Path

from mlc.config.errors import MlcError
from mlc.config.help import help_text
from mlc.config.imports import import_parts, uncollected, without_flags
from mlc.config.schema import ReportOptions
from mlc.launching.printing import printing


@printing("mlc-train")
def main() -> None:
    """Print the help, or train what the command line says."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        _print_help()
        return
    # Imports torch, which takes seconds.
    with uncollected():
        from mlc.launching.command import main as run

    run(_answer)


def _print_help() -> None:
    """Print the help, with the parts of the modules that the command line imports."""
    try:
        import_parts(without_flags(sys.argv[1:])[1])
        print(help_text())
    except MlcError as error:
        print(f"mlc-train: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def _answer(folder: Path, report: ReportOptions) -> str:
    """Write the answer of a search over heads into its folder; return its text.

    Raises:
        MlcError: the finished runs allow no answer.
    """
    from mlc.comparing.writing import write_answer
    from mlc.estimator import MultiLabelClassifier

    return write_answer(
        folder,
        report.metrics,
        MultiLabelClassifier().get_params(deep=False),
        report.margin,
        report.reference,
        with_linear=report.yardsticks,
    )


if __name__ == "__main__":
    main()
