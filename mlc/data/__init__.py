"""Data sources, splits, scaling, and batches in device memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlc.data.base import SOURCES, Dataset, DataSource, register_source

if TYPE_CHECKING:
    from mlc.data.loading import load_data, load_features

__all__ = ["SOURCES", "DataSource", "Dataset", "load_data", "load_features", "register_source"]


def __getattr__(name: str) -> Any:
    """Import the readers of files on first use."""
    if name in ("load_data", "load_features"):
        from mlc.data import loading

        return getattr(loading, name)
    raise AttributeError(f"module 'mlc.data' has no attribute {name!r}")
