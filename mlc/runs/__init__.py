"""A run and its folder: training in cohorts, recording, provenance, loading, leases."""
