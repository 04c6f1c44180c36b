"""The project's exceptions: each message is one sentence that names the thing and the remedy."""

import errno
import re

_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)


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


def as_told(error: Exception) -> Exception:
    """An error of the machine's limits as one of ours, with what to do; any other as it is."""
    if isinstance(error, MlcError):
        return error
    if isinstance(error, OSError) and error.errno in _NO_PLACE:
        where = error.filename or "A file of the run"
        return RunFolderError(
            f"{where} cannot be written ({error.strerror}): make room, or the folder writable, and go"
            " on with resume=true."
        )
    # torch's allocator on the CPU raises a plain RuntimeError.
    if isinstance(error, MemoryError) or re.search(r"memory", str(error).partition("\n")[0]):
        return CapacityError(
            f"Memory ran out ({_first_line(error)}): lower backbone.widths, trainer.batch_size,"
            " hydra.launcher.max_runs or hydra.launcher.n_workers, and go on with resume=true."
        )
    return error


def _first_line(error: Exception) -> str:
    line = (str(error) or type(error).__name__).partition("\n")[0].strip(" .")
    return line if len(line) <= 120 else f"{line[:117]}..."
