"""Files that are written as a whole, and files that are checked before they are read."""
