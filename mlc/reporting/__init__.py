"""Tables, statistics and figures, made of finished runs alone."""

from mlc.reporting.collect import Results, collect
from mlc.reporting.curves import Curves, complete_curves
from mlc.reporting.page import render
from mlc.reporting.summary import report_files, write_summary

__all__ = [
    "Curves", "Results", "collect", "complete_curves", "render", "report_files", "write_summary",
]  # fmt: skip
