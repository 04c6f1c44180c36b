"""Data sources, splits, scaling, and the resident batches that every head trains on."""

from mlc.data.base import SOURCES, Dataset, DataSource, register_source

__all__ = ["SOURCES", "DataSource", "Dataset", "register_source"]
