"""Data sets from openml.org, by scikit-learn's `fetch_openml`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_openml

from mlc.config.errors import DataError
from mlc.config.options import option
from mlc.data.base import Dataset, DataSource, SplitOptions, Vocabulary, register_source
from mlc.data.cache import cache_folder
from mlc.data.columns import encode_columns, encode_labels
from mlc.data.weighting import weighting_of

# Those of Probst et al. 2017, "Multilabel classification with R package mlr"; names are checked.
STANDARD = {
    "birds": 40588, "emotions": 40589, "enron": 40590, "genbase": 40591, "image": 40592,
    "langLog": 40593, "reuters": 40594, "scene": 40595, "slashdot": 40596, "yeast": 40597,
}  # fmt: skip


@dataclass
class OpenMLOptions(SplitOptions):
    """Which data set, and how to split it: OpenML has no published parts of these.

    Attributes:
        title: one of the ten of `STANDARD`, or any other data set's name there.
        version: of a data set that is none of the ten; null is the newest active one.
        data_id: its number there; null finds it by the name.
        labels: the columns that are labels; [] are those that OpenML calls its targets.
    """

    title: str = "yeast"
    version: int | None = option(None, at_least=1)
    data_id: int | None = option(None, at_least=1)
    labels: list[str] = option([])


@register_source("openml")
class OpenML(DataSource):
    """Fetched once, then from the cache."""

    Options = OpenMLOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """The data set, its label columns as targets."""
        where = f"openml.org's data set {options.title!r}"
        fetched = _fetch(options, where)
        given = list(options.labels)
        frame: pd.DataFrame = fetched.frame
        labels = given or list(fetched.target_names or [])
        if not labels:
            raise DataError(f"{where} does not say which columns are labels: name data.labels.")
        targets, label_names, _, notes = encode_labels(frame, labels, None, where)
        encoded = encode_columns(frame.drop(columns=labels), where)
        return Dataset(
            name=options.title,
            features=np.asarray(encoded.values),
            targets=targets,
            feature_names=tuple(encoded.names),
            label_names=label_names,
            numeric=encoded.numeric,
            vocabulary=Vocabulary(~encoded.numeric, read_from=encoded.categories),
            weighting=weighting_of(encoded.values, options.weighting, str(options.title)),
            notes=(*notes, *encoded.notes),
        )


def _fetch(options: Any, where: str) -> Any:
    number = options.data_id or (None if options.version else STANDARD.get(options.title))
    query = (
        {"data_id": number}
        if number
        else {"name": options.title, "version": options.version or "active"}
    )
    folder = cache_folder()
    try:
        with warnings.catch_warnings():
            # That it tries again; the last try's error is told.
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
