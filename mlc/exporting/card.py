"""The model card of an exported run: what it predicts, from what, how well, and where it ends.

The sections follow Mitchell et al. 2019, "Model cards for model reporting", as far as a run knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlc
from mlc.config.errors import RunFolderError
from mlc.config.texts import counted, escaped, markdown, readable
from mlc.data.card import Card
from mlc.exporting.inputs import before_rows, described, metadata_of_run
from mlc.exporting.module import Rows
from mlc.exporting.shared_card import Exported
from mlc.exporting.usage import usage
from mlc.files.names import CARD, PREDICTIONS, STATUS
from mlc.files.reading import read_arrays
from mlc.metrics.names import stored_metrics
from mlc.reporting.reading import draws_test_rows, read_run
from mlc.reporting.statistics import mean_interval
from mlc.runs.folder import read_finished, read_stored
from mlc.runs.loaded import LoadedRun
from mlc.runs.provenance import NOT_IDENTITY, differences, versions

_MOST_LABELS = 200


def model_card(folder: Path, run: LoadedRun, rows: Rows, files: Sequence[Exported]) -> str:
    """Write the model card of a run in Markdown.

    Args:
        folder: the run's folder.
        run: the run with the exported rule.
        rows: the input of the exported files.
        files: the exported files, which lie in one folder.

    Raises:
        RunFolderError: a file of the run is damaged.
    """
    data = Card.from_json(read_stored(folder / CARD))
    if data is None:
        raise RunFolderError(f"{folder / CARD} is not a data card: train the run again.")
    texts = metadata_of_run(run, rows)["texts"]
    counts_words = texts is not None and not texts["buckets"]
    parts = [
        f"# Model card: {run.config.head.name} on {markdown(run.status['data'])}",
        f"Written by `mlc-export` {mlc.__version__} from the run {markdown(str(run.status['run']))}.",
        _model(run, rows, files),
        *_use(files, counts_words),
        "## Data\n\n```text\n" + data.text() + "\n```",
        _results(folder, run),
        _labels(folder, run, data),
        _limits(run, data),
        _versions(run),
    ]
    return "\n\n".join(parts) + "\n"


def _use(files: Sequence[Exported], counts_words: bool) -> list[str]:
    """Code for each file, under its name if there are several."""
    codes = [f"```python\n{usage(file.to, Path(file.name), counts_words)}```" for file in files]
    if len(files) == 1:
        return [f"## Use\n\n{codes[0]}"]
    titles = [f"`{file.name}`:" for file in files]
    return ["## Use", *(part for pair in zip(titles, codes, strict=True) for part in pair)]


def _model(run: LoadedRun, rows: Rows, files: Sequence[Exported]) -> str:
    config = run.config
    what = " ".join((type(run.model.head).__doc__ or "").split("\n\n")[0].split())
    lines = [
        *(f"- File: `{file.name}`; {file.check}." for file in files),
        f"- Input: rows {described(rows)}. Not in the file, and not checked: {before_rows(run, rows)}.",
        f"- Output: scores (N, {len(run.label_names)}) in [0, 1], and label sets of the same shape.",
        f"- Network: {config.backbone.name}, {run.model.n_parameters:,} parameters with the head.",
        f"- Head: {config.head.name}. {what}",
        f"- Decision rule: {markdown(repr(run.rule))}.",
        f"- Meaning of a score: {_meaning(run)}.",
    ]
    return "## Model\n\n" + "\n".join(lines)


def _meaning(run: LoadedRun) -> str:
    return {
        "marginals": "an estimate of the probability that the row has the label",
        "shares": "an estimate of the label's share of the row's labels, which is not its probability",
        "order": "higher for more relevant labels; it is no probability",
    }[run.model.head.estimates]


def _results(folder: Path, run: LoadedRun) -> str:
    """The test metrics of the run, and with other seeds their mean and interval."""
    name = run.rule.name
    every = {path.name: _metrics(path, name) for path in [folder, *_other_seeds(folder, run)]}
    metrics = [m for m in stored_metrics() if every[folder.name].get(m) is not None]
    several = len(every) > 1
    title = ["metric", "this run", *([f"mean of {len(every)} seeds, 95% interval"] * several)]
    lines = [_row(title), _row(["---"] * len(title))]
    for metric in metrics:
        values = [one[metric] for one in every.values() if one.get(metric) is not None]
        mean = [str(mean_interval(values))] if several else []
        lines.append(_row([metric, f"{every[folder.name][metric]:.3f}", *mean]))
    note = "On the test rows, which neither the training nor the tuning of the rule has seen."
    if several and draws_test_rows(run.status):
        note += (
            " The interval is over seeds, each with test and validation rows, weights and batches of its"
            " own; the test rows of one are training rows of others."
        )
    elif several:
        note += " The interval is over seeds: of the validation split, the weights and the batches."
    return f"## Results\n\n{note}\n\n" + "\n".join(lines)


def _metrics(folder: Path, rule: str) -> dict[str, Any]:
    """Return the test metrics of a rule and of the scores."""
    values = {}
    for key, value in read_run(folder).metrics.items():
        part, *rest = key.split("/")
        if part == "test" and (len(rest) == 1 or rest[0] == rule):
            values[rest[-1]] = value
    return values


def _other_seeds(folder: Path, run: LoadedRun) -> list[Path]:
    """Return the folders beside a run's with finished runs that differ from it in the seed alone."""
    others = []
    for path in sorted(folder.absolute().parent.iterdir()):
        if path.name == folder.absolute().name or not (path / STATUS).is_file():
            continue
        try:
            status = read_finished(path)
        except RunFolderError:
            continue  # What cannot be read is no evidence; mlc-report names it.
        if status is not None and _differs_in_seed(status, run.status):
            others.append(path)
    return others


def _differs_in_seed(status: dict[str, Any], other: dict[str, Any]) -> bool:
    same = all(status[key] == other[key] for key in ("data", "head"))
    same = same and status["identity"]["data"] == other["identity"]["data"]
    configs = other["config"], status["config"]
    return same and not any(differences(*configs, (*NOT_IDENTITY, "seed")))


def _labels(folder: Path, run: LoadedRun, data: Card) -> str:
    """A row for each label: its frequency, and precision and recall on test rows where it is known."""
    stored = read_arrays(folder / PREDICTIONS)
    decided, actual = stored[f"decisions_{run.rule.name}"], stored["targets"].astype(bool)
    known = stored.get("known")
    if known is not None:
        decided, actual = decided & known, actual & known
    threshold = run.rule.fitted().get("threshold")
    by_label = threshold is not None and threshold.numel() == len(run.label_names) > 1
    title = ["label", "rows", *["threshold"] * by_label, "precision", "recall"]
    lines = [_row(title), _row(["---"] * len(title))]
    for k, name in enumerate(run.label_names[:_MOST_LABELS]):
        both = (decided[:, k] & actual[:, k]).sum()
        cells = [markdown(name), f"{data.counts[k]:,}"]
        if by_label and threshold is not None:
            cells.append(f"{threshold.flatten()[k]:.3g}")
        cells += [_ratio(both, decided[:, k].sum()), _ratio(both, actual[:, k].sum())]
        lines.append(_row(cells))
    more = len(run.label_names) - _MOST_LABELS
    rest = f"\n\nand {more:,} more labels." if more > 0 else ""
    return "## Labels\n\n" + "\n".join(lines) + rest


def _ratio(part: int, total: int) -> str:
    return f"{part / total:.2f}" if total else "-"


def _limits(run: LoadedRun, data: Card) -> str:
    lines = [
        f"- It knows {counted(len(run.label_names), 'label')}, and assigns no others.",
        "- The results hold for rows like those of the data above. Other sources, times or groups of"
        " people need a test of their own.",
        "- The file does not check its input: infinite values, and columns in another order, give"
        " predictions without a meaning.",
    ]
    if run.rule.tuned_on == "test":
        lines.append("- The rule was tuned on the test rows, so that its results are too good.")
    absent = data.absent.get("train", 0)
    if absent:
        have, they = ("has", "it") if absent == 1 else ("have", "they")
        lines.append(
            f"- {counted(absent, 'label')} {have} no positive training row: {they} cannot be learned."
        )
    if data.unseen:
        lines.append(
            f"- {100 * data.unseen:.1f}% of the validation rows have a label set that no training row"
            " has; a head or rule that predicts only sets of the training never gets these right."
        )
    if run.model.head.estimates != "marginals":
        lines.append("- Scores are no probabilities: do not read 0.5 as undecided.")
    return "## Limits\n\n" + "\n".join(lines)


def _versions(run: LoadedRun) -> str:
    identity, status = run.status["identity"], run.status
    trained = {"mlc": identity["code"], **identity["versions"], "device": identity["device"]}
    settings = ", ".join(f"{key}={value}" for key, value in status["overrides"].items())
    lines = [
        "- Trained with " + _listed(trained) + ".",
        "- Exported with " + _listed({"mlc": mlc.__version__, **versions()}) + ".",
        f"- Seed {status['seed']}; settings {markdown(settings) or 'by default'}.",
        f"- SHA-256 of the data: `{identity['data']}`.",
    ]
    return "## Versions\n\n" + "\n".join(lines)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {readable(str(value))}" for name, value in values.items())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escaped, cells)) + " |"
