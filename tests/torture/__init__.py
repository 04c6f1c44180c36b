"""What a sweep must survive: kills, limits, hostile input."""
