"""mlc: which output layer should a multi-label classifier end in? Measured answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlc.estimator import MultiLabelClassifier
    from mlc.runs.loading import load

__version__ = "0.1.0"
__all__ = ["MultiLabelClassifier", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """What takes seconds to import, when it is asked for."""
    if name == "MultiLabelClassifier":
        from mlc.estimator import MultiLabelClassifier

        return MultiLabelClassifier
    if name == "load":
        from mlc.runs.loading import load

        return load
    raise AttributeError(f"module 'mlc' has no attribute {name!r}")
