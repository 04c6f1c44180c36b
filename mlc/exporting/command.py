"""The command mlc-export: a finished run as one file, with its model card beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlc.config.errors import ConfigError
from mlc.config.texts import counted, listed
from mlc.exporting.card import model_card
from mlc.exporting.inputs import before_rows, described, metadata_of_run, rows_of_run
from mlc.exporting.shared_card import (
    Exported,
    identity_of,
    listed_in,
    marked,
    require_shareable,
)
from mlc.exporting.writing import Check, format_of, require_absent, write_predictor
from mlc.files.names import STATUS
from mlc.files.writing import write_text
from mlc.runs.loading import load

CARD = "MODEL_CARD.md"
_DEFAULT = {"onnx": "model.onnx", "pt2": "model.pt2", "torch": "model_torch"}


def export_run(
    run: str | Path,
    to: str | None = None,
    output: Path | None = None,
    rule: str | None = None,
    card: Path | None = None,
) -> str:
    """Export a finished run; return what was written, in words.

    Args:
        run: the folder of the run.
        to: onnx, pt2 or torch; by default what the ending of `output` names.
        output: the file, or for torch the folder; by default model.onnx, model.pt2 or model_torch.
        rule: one of the run's decision rules; by default as in `mlc.load`.
        card: the file of the model card; by default MODEL_CARD.md beside the output. There, one of the
            same run and rule is written anew and lists the files of both.

    Raises:
        MlcError: the run cannot be exported, or a file exists.
    """
    to = format_of(to, output)
    folder = _one_run(Path(run))
    output = Path(_DEFAULT[to]) if output is None else output
    card = (output if to == "torch" else output.parent) / CARD if card is None else card
    require_absent(output, "--output")
    require_shareable(card, output)
    loaded = load(folder, rule, "cpu")
    identity = identity_of(folder, loaded.rule.name)
    files = listed_in(card, identity)
    rows, frozen = rows_of_run(loaded)
    metadata = metadata_of_run(loaded, rows)

    def write_card(place: Path, check: Check) -> None:
        inside = card.is_relative_to(output)
        path = place / card.relative_to(output) if inside else card
        before = path.read_text(encoding="utf-8") if path.is_file() else None
        files.append(Exported(output.name, to, str(check)))
        write_text(path, marked(model_card(folder, loaded, rows, files), identity, files))
        written.append((path, before))

    written: list[tuple[Path, str | None]] = []
    try:
        # The card comes first, so that no model stands without it.
        check = write_predictor(loaded, output, to, rows, metadata, frozen, complete=write_card)
    except BaseException:
        for path, before in written:
            if before is None:
                path.unlink(missing_ok=True)
            else:
                write_text(path, before)
        raise
    lines = [
        f"{output}: rows {described(rows)}",
        f"rule: {loaded.rule!r}",
        f"check: {check}",
        f"not in the file, and not checked: {before_rows(loaded, rows)}",
        f"card: {card}"
        + (f", of {listed([file.name for file in files], 3, 60)}" if files[1:] else ""),
    ]
    return "\n".join(lines)


def single_run(runs: Sequence[Path]) -> Path:
    """Return the only path.

    Raises:
        ConfigError: there are several.
    """
    if len(runs) > 1:
        raise ConfigError(f"{len(runs)} runs are named: export one at a time.")
    return runs[0]


def _one_run(folder: Path) -> Path:
    """Return the folder; refuse one that only contains the folders of runs."""
    if (folder / STATUS).exists() or not folder.is_dir():
        return folder
    runs = sorted(path.parent for path in folder.rglob(STATUS))
    if runs:
        raise ConfigError(
            f"{folder} holds {counted(len(runs), 'run')} in its folders: name one, such as"
            f" {runs[0]}."
        )
    return folder
