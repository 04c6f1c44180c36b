"""The documentation site: its pages from the repository's files, and the hooks of MkDocs."""
