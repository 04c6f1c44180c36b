"""Typed config: schema, option limits, registries, errors, texts."""
