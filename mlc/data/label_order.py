"""Labels of a further file in the order of those of the training file."""

from __future__ import annotations

import numpy as np

from mlc.config.errors import DataError
from mlc.config.texts import as_known, spelled_alike
from mlc.data.label_columns import Labels
from mlc.data.label_literals import literal
from mlc.data.label_separators import SEPARATORS, split_cell
from mlc.data.locations import location_of
from mlc.data.missing_labels import Mask


def labels_as(labels: Labels, train: Labels, where: str) -> Labels:
    """Return labels (N, K') of another file as columns of the K labels of the training file.

    Raises:
        DataError: a label is not in the training file.
    """
    if train.soft is not None:
        return labels
    known_names = set(train.names)
    written = as_known(labels.names, known_names)
    unknown = sorted(set(labels.names) - set(written))
    if unknown:
        holders = labels.targets[:, labels.names.index(unknown[0])]
        row = f" in {location_of(where, int(holders.argmax()))}" if holders.any() else ""
        raise DataError(
            f"{where}: the label {unknown[0]!r}{row} is not in the training file:"
            f" {_cure(unknown[0], known_names)}."
        )
    shape = len(labels.targets), len(train.names)
    column_of = {name: column for column, name in enumerate(train.names)}
    columns = [column_of[written[name]] for name in labels.names]
    targets: Mask = np.zeros(shape, dtype=bool)
    for column, of_label in zip(columns, labels.targets.T, strict=True):
        # Two forms of a name are one label.
        targets[:, column] |= of_label
    known = None
    if labels.known is not None:
        known = np.ones(shape, dtype=bool)
        known[:, columns] = labels.known
    return Labels(targets, train.names, train.form, labels.notes, known, ticks=train.ticks)


def _cure(name: str, known: set[str]) -> str:
    """Say what to do with an unknown label, which may be a known one, or several, in another form."""
    alike = sorted(other for other in known if spelled_alike(other, name))
    if alike:
        return f"write it as {alike[0]!r}, as there"
    parted = any(set(parts) <= known for s in SEPARATORS if len(parts := split_cell(name, s)) > 1)
    if parted or literal(name) is not None:
        return "write its label sets as there, with the same separator or as the same lists"
    return "remove it"
