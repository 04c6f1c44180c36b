"""The typed config: schema, option ranges, the registries of parts, errors."""
