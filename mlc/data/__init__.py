"""Data sources, splits, scaling, and batches in device memory."""

from mlc.data.base import SOURCES, Dataset, DataSource, register_source

__all__ = ["SOURCES", "DataSource", "Dataset", "register_source"]
