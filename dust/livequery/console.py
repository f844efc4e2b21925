"""What a running function logs, kept for developers, who are shown it beside its result.

Functions log as all Python code does. Nothing is kept unless ``ConsoleHandler`` is among the
handlers of the log, which the settings see to in development only.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from typing_extensions import override

MOST_LINES = 256
MOST_BYTES = 32_768
"""How much of one line is shown."""

_CUT = " (truncated due to length)"
_LEVELS = ((logging.ERROR, "ERROR"), (logging.WARNING, "WARN"), (logging.INFO, "INFO"))

_lines: ContextVar[list[str] | None] = ContextVar("console_lines", default=None)


@contextmanager
def collecting() -> Iterator[list[str]]:
    """Collect what is logged inside, each line as ``[LEVEL] text``; an outer collection too."""
    outer = _lines.get()
    lines: list[str] = []
    token = _lines.set(lines)
    try:
        yield lines
    finally:
        _lines.reset(token)
        if outer is not None:
            outer.extend(lines)


class ConsoleHandler(logging.Handler):
    """Keeps what running functions log; what the house says of itself is left out."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        lines = _lines.get()
        if lines is not None and len(lines) < MOST_LINES and not record.name.startswith("dust."):
            lines.append(f"[{_level(record.levelno)}] {_shortened(record.getMessage())}")


def _level(number: int) -> str:
    return next((name for least, name in _LEVELS if number >= least), "DEBUG")


def _shortened(text: str) -> str:
    raw = text.encode(errors="replace")
    if len(raw) <= MOST_BYTES:
        return text
    return raw[: MOST_BYTES - len(_CUT)].decode(errors="ignore") + _CUT
