"""The files of an answer in its sweep's folder, and its text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlc.comparing.answer import MARGIN, Answer, find_answer, searched_seeds
from mlc.comparing.figure import draw_differences
from mlc.comparing.plan import REFERENCE
from mlc.comparing.rivals import find_rivals
from mlc.comparing.sentences import sentences
from mlc.comparing.take_away import commands, take_away
from mlc.comparing.words import as_text, notes, other_rules, table
from mlc.config.errors import RunFolderError
from mlc.config.texts import markdown
from mlc.data.base import Dataset
from mlc.files.names import ANSWER, DIFFERENCES
from mlc.files.writing import write_atomically, write_json, write_text
from mlc.reporting.collect import collect
from mlc.reporting.page import render
from mlc.reporting.searching import searched
from mlc.reporting.tables import Table
from mlc.runs.ownership import MARKS, check_report_files

TEXT, PAGE = "answer.md", "report.html"
_COMMANDS = "Predict with a network of this comparison, or export it"
FILES = (ANSWER, TEXT, DIFFERENCES, PAGE)


def write_answer(
    folder: Path,
    metrics: Sequence[str],
    defaults: Mapping[str, Any],
    margin: float = MARGIN,
    reference: str = REFERENCE,
    seconds: float | None = None,
    dataset: Dataset | None = None,
    *,
    with_linear: bool = False,
) -> str:
    """Write answer.md, answer.json, differences.png and report.html; return the text for a terminal.

    Args:
        folder: of a search.
        metrics: the first chooses and is compared; the page shows all.
        defaults: `MultiLabelClassifier().get_params(deep=False)`.
        margin: differences up to this count as equal.
        reference: the head that the others are compared with.
        seconds: the comparison took, if that is known.
        dataset: the data; None loads them where they are needed.
        with_linear: whether linear models and constants are compared too.

    Raises:
        RunFolderError: there is no answer (see `find_answer`), a file of the same name that mlc did not
            write is in the folder, or the folder is not writable.
    """
    check_report_files(folder, FILES)
    results = collect(folder, list(metrics))
    rivals = None
    if with_linear:
        rivals = find_rivals(results, metrics[0], dataset, searched_seeds(folder))
    answer = find_answer(results, folder, metrics[0], margin, reference, rivals)
    code = take_away(answer, results, defaults, rivals)
    words = "\n".join(commands(answer, results, folder))
    try:
        with write_atomically(folder / DIFFERENCES) as file:
            file.write(draw_differences(answer))
        write_json(folder / ANSWER, _content(answer, code, seconds))
        write_text(folder / TEXT, _markdown(answer, code, seconds, words))
        choices = searched(folder, results)
        assert choices is not None
        write_text(folder / PAGE, render(choices.chosen(results), folder.absolute(), list(metrics)))
    except OSError as error:
        raise RunFolderError(
            f"The answer cannot be written to {folder} ({error.strerror}): make it writable."
        ) from error
    sections = [f"{title}:\n\n{_indented(text)}" for title, text in code.items()]
    sections.append(f"{_COMMANDS}:\n\n{_indented(words)}")
    return "\n\n".join([as_text(answer, seconds), *sections])


def _content(answer: Answer, code: Mapping[str, str], seconds: float | None) -> dict[str, Any]:
    others = other_rules(answer)
    page = {
        "sentences": sentences(answer, seconds),
        "table": _rows(table(answer)),
        "others": None if others is None else _rows(others),
        "notes": notes(answer),
        "code": dict(code),
    }
    return {"generator": "mlc", "shown": page, "seconds_in_all": seconds, **answer.as_json()}


def _rows(table: Table) -> dict[str, Any]:
    return {"header": list(table.header), "rows": [list(row) for row in table.rows]}


def _markdown(answer: Answer, code: Mapping[str, str], seconds: float | None, words: str) -> str:
    others = other_rules(answer)
    parts = [
        MARKS[".md"].decode(),
        f"# Which head for {markdown(answer.data)}?",
        markdown(" ".join(sentences(answer, seconds)), 10_000),
        table(answer).markdown(by_strangers=True),
    ]
    if others is not None:
        hidden = others.markdown(by_strangers=True)
        parts.append(f"<details><summary>The other rules</summary>\n\n{hidden}\n\n</details>")
    parts.append(f"![Differences from {answer.reference}]({DIFFERENCES})")
    parts.append("\n".join(f"- {markdown(note, 10_000)}" for note in notes(answer)))
    parts += [f"## {title}\n\n```python\n{text}```" for title, text in code.items()]
    parts.append(f"## {_COMMANDS}\n\n```sh\n{words}\n```")
    return "\n\n".join(parts) + "\n"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
