"""Data sources, splits, scaling, and the resident batches that every head trains on."""

from mlc.data.arff import Arff
from mlc.data.arrays import Arrays
from mlc.data.base import (
    SOURCES,
    DataOptions,
    Dataset,
    DataSource,
    Truth,
    Vocabulary,
    register_source,
)
from mlc.data.coloured import ColouredDigits
from mlc.data.digits import Digits
from mlc.data.libsvm import Libsvm
from mlc.data.openml import OpenML
from mlc.data.preprocessing import Scaling, fit_scaling
from mlc.data.resident import Bags, Batch, ResidentData
from mlc.data.splits import Split, forget_warnings, hold_out, split_dataset
from mlc.data.table import Table
from mlc.data.unlabelled import read_features
from mlc.data.world import ExactWorld, World, WorldOptions

__all__ = [
    "SOURCES",
    "Arff",
    "Arrays",
    "Bags",
    "Batch",
    "ColouredDigits",
    "DataOptions",
    "DataSource",
    "Dataset",
    "Digits",
    "ExactWorld",
    "Libsvm",
    "OpenML",
    "ResidentData",
    "Scaling",
    "Split",
    "Table",
    "Truth",
    "Vocabulary",
    "World",
    "WorldOptions",
    "fit_scaling",
    "forget_warnings",
    "hold_out",
    "read_features",
    "register_source",
    "split_dataset",
]
