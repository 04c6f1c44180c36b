"""Data sets from openml.org, by scikit-learn's `fetch_openml`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
import pandas as pd

from mlc.config.errors import DataError
from mlc.config.options import option
from mlc.data.base import Dataset, DataSource, SplitOptions, Vocabulary, register_source
from mlc.data.cache import cache_folder
from mlc.data.columns import encode_columns
from mlc.data.label_columns import encode_labels, separated
from mlc.data.missing_labels import SoftLabelOptions, nominal_text
from mlc.data.weighting import weighting_of

# Data sets of Probst et al. 2017, "Multilabel classification with R package mlr"; names are checked.
STANDARD = {
    "birds": 40588, "emotions": 40589, "enron": 40590, "genbase": 40591, "image": 40592,
    "langLog": 40593, "reuters": 40594, "scene": 40595, "slashdot": 40596, "yeast": 40597,
}  # fmt: skip


@dataclass
class OpenMLOptions(SoftLabelOptions, SplitOptions):
    """Options of OpenML data sets, which have no published split.

    Attributes:
        title: one of the ten names in `STANDARD`, or the name of any data set on OpenML.
        version: version of a data set outside `STANDARD`; null is the newest active one.
        data_id: number on OpenML; null finds the data set by name.
        labels: the label columns; [] takes OpenML's targets.
    """

    title: str = "yeast"
    version: int | None = option(None, at_least=1)
    data_id: int | None = option(None, at_least=1)
    labels: list[str] = option([])


@register_source("openml")
class OpenML(DataSource):
    """A data set from OpenML, fetched once and then read from the cache."""

    Options = OpenMLOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set, with its label columns as targets."""
        where = f"openml.org's data set {options.title!r}"
        fetched = _fetch(options, where)
        given = list(options.labels)
        frame: pd.DataFrame = fetched.frame
        labels = given or list(fetched.target_names or [])
        if not labels:
            raise DataError(f"{where} does not say which columns are labels: name data.labels.")
        labels, asides = separated(labels, frame.columns)
        if options.soft_labels:
            _require_numeric(frame, labels, where)
        encoded_labels = encode_labels(
            frame, labels, None, where, None, options.missing_labels, options.soft_labels
        )
        encoded = encode_columns(frame.drop(columns=labels), where)
        return Dataset(
            name=options.title,
            features=np.asarray(encoded.values),
            targets=encoded_labels.targets,
            known=encoded_labels.known,
            soft=encoded_labels.soft,
            feature_names=tuple(encoded.names),
            label_names=encoded_labels.names,
            numeric=encoded.numeric,
            vocabulary=Vocabulary(~encoded.numeric, read_from=encoded.categories),
            weighting=weighting_of(encoded.values, options.weighting, str(options.title)),
            notes=(*asides, *encoded_labels.notes, *encoded.notes),
        )


def _require_numeric(frame: pd.DataFrame, labels: Sequence[str], where: str) -> None:
    """Raise DataError if a label column is nominal, and so cannot hold probabilities."""
    for name in labels:
        if name in frame.columns and isinstance(frame[name].dtype, pd.CategoricalDtype):
            values = tuple(map(str, frame[name].cat.categories))
            raise DataError(nominal_text(where, str(name), values))


def _fetch(options: Any, where: str) -> Any:
    number = options.data_id or (None if options.version else STANDARD.get(options.title))
    query = (
        {"data_id": number}
        if number
        else {"name": options.title, "version": options.version or "active"}
    )
    # Every command registers this source, and few fetch from it.
    from sklearn.datasets import fetch_openml

    folder = cache_folder()
    try:
        with warnings.catch_warnings():
            # It warns of each retry; the last error is raised.
            warnings.simplefilter("ignore")
            fetched = fetch_openml(
                **query,
                as_frame=True,
                parser="liac-arff",
                cache=folder is not None,
                data_home=None if folder is None else str(folder / "openml"),
            )
    except HTTPError as error:
        raise DataError(
            f"{where} cannot be fetched (HTTP {error.code}): try again later."
        ) from error
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"{where} cannot be fetched ({reason}): connect to the network, or use a file with"
            " data=arff or data=table."
        ) from error
    except (ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{where} cannot be used ({reason}): correct data.title.") from error
    name = str(fetched.details["name"])
    if options.data_id is None and name.lower() != options.title.lower():
        raise DataError(f"{where}: number {number} there is {name!r}: state data.data_id.")
    return fetched
