"""Checked reading and atomic writing of files."""
