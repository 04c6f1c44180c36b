"""mlc: measures which output layer a multi-label classifier should end in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlc.estimator import MultiLabelClassifier
    from mlc.runs.loading import load

__version__ = "0.1.0"
__all__ = ["MultiLabelClassifier", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import on first use what takes seconds to import."""
    if name == "MultiLabelClassifier":
        from mlc.estimator import MultiLabelClassifier

        return MultiLabelClassifier
    if name == "load":
        from mlc.runs.loading import load

        return load
    raise AttributeError(f"module 'mlc' has no attribute {name!r}")
