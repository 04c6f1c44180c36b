"""Tables, statistics and figures, made of finished runs alone."""

from mlc.reporting.collect import Results, collect
from mlc.reporting.page import render
from mlc.reporting.summary import write_summary

__all__ = ["Results", "collect", "render", "write_summary"]
