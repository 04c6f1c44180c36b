"""The project's exceptions: each message is one sentence that names the thing and the remedy."""


class MlcError(Exception):
    """Base of every error a user can cause and mend; printed without a traceback."""

    exit_status = 1


class ConfigError(MlcError, ValueError):
    """A setting that is unknown, of the wrong type or out of range."""

    exit_status = 2


class DataError(MlcError, ValueError):
    """A file, row, column or split that cannot be used as it is."""


class CapacityError(MlcError):
    """Something that would not fit into the memory that is free."""


class TrainingError(MlcError):
    """A training that cannot go on, such as one whose loss is no longer finite."""


class RunFolderError(MlcError):
    """A folder of runs that cannot be read or written."""
