"""A reader of the output that ends early, as `head` does, ends no training."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from mlc.config.texts import never_fail_to_print

_OF_BROKEN_PIPE = 128 + 13


class _Lasting:
    """A stream that drops what it cannot write.

    Attributes:
        error: why it could not write first; None while it can.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        self.error = self.error or error
        # Python writes the rest of its buffer when it ends.
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


def is_read() -> bool:
    """Return whether all that was printed on standard output could be written."""
    return getattr(sys.stdout, "error", None) is None


@contextmanager
def printing(program: str) -> Iterator[None]:
    """Let a command print: characters that an encoding lacks are escaped, what nobody reads is dropped.

    The command does all its work, so that `| head` and a terminal that is closed end no training. Its
    status is then 141, as of programs that SIGPIPE ends, if the reader of standard output has ended, and
    1 with a sentence for another reason, such as a full disk. A failure of the command goes before.
    """
    never_fail_to_print()
    streams = sys.stdout, sys.stderr
    out, error = (stream and _Lasting(stream) for stream in streams)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, error)
    try:
        try:
            yield
        except SystemExit as end:
            if end.code:
                raise
        # A closed output is None.
        if out:
            out.flush()
            if isinstance(out.error, BrokenPipeError):
                sys.exit(_OF_BROKEN_PIPE)
            if out.error:
                reason = out.error.strerror
                print(f"{program}: Standard output cannot be written ({reason}).", file=sys.stderr)
                sys.exit(1)
    finally:
        for stream in (out, error):
            if stream:
                stream.flush()
        sys.stdout, sys.stderr = streams
