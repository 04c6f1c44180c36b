"""Launches by Hydra: checks, composition of jobs, grouping into cohorts, worker processes, searches."""
