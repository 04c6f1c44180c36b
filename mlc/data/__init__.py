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
from mlc.data.card import Card, LabelStatistics, describe, label_statistics
from mlc.data.coloured import ColouredDigits
from mlc.data.digits import Digits
from mlc.data.libsvm import Libsvm
from mlc.data.notices import forget_notices, say_once
from mlc.data.openml import OpenML
from mlc.data.preprocessing import Scaling, fit_scaling
from mlc.data.resident import Bags, Batch, ResidentData
from mlc.data.splits import Split, hold_out, split_dataset
from mlc.data.table import Table
from mlc.data.unlabelled import read_features
from mlc.data.world import ExactWorld, World, WorldOptions

__all__ = [
    "SOURCES",
    "Arff",
    "Arrays",
    "Bags",
    "Batch",
    "Card",
    "ColouredDigits",
    "DataOptions",
    "DataSource",
    "Dataset",
    "Digits",
    "ExactWorld",
    "LabelStatistics",
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
    "describe",
    "fit_scaling",
    "forget_notices",
    "hold_out",
    "label_statistics",
    "read_features",
    "register_source",
    "say_once",
    "split_dataset",
]
