"""How the log looks: text for people, or one JSON object a line for programs (`CHATKEEP_LOG`).

1. An event is one line. In text, a traceback follows it, indented; in JSON it is in `error`.
2. Times are UTC. Control characters are replaced, so that no text from outside makes a line of its own or moves a
   terminal's cursor.
3. The ids of request and run come from `watch/context.py`.
"""

import logging
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from chatkeep.text import clean, printable
from chatkeep.watch import context

LogForm = Literal["text", "json"]
"""The values of `CHATKEEP_LOG`."""
LogLevel = Literal["debug", "info", "warning", "error"]
"""The values of `CHATKEEP_LOG_LEVEL`."""
FIELDS = "chatkeep_fields"
"""The attribute of a log record with further fields of its JSON, which its text has already."""


def log_config(form: LogForm, level: LogLevel, server_level: LogLevel) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig`: one handler, on standard error.

    `level` is that of our own lines, `server_level` that of uvicorn's. Other libraries have `warning`.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": JsonLines if form == "json" else TextLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {"chatkeep": {"level": level.upper()}, "uvicorn": {"level": server_level.upper()}},
    }


class TextLines(logging.Formatter):
    """`2026-11-29T23:36:29.771Z WARNING chatkeep[4711]: text request=… run=…`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback below it."""
        message = printable(record.getMessage()).replace("\n", " ")
        line = f"{_time(record)} {record.levelname} {record.name}[{record.process}]: {message}"
        line += "".join([f" {name}={value}" for name, value in _ids().items()])
        if trace := _traceback(self, record):
            line += "\n    " + printable(trace).replace("\n", "\n    ")
        return line


class JsonLines(logging.Formatter):
    """`{"time": …, "level": …, "logger": …, "process": …, "message": …}`; also ids, fields and `error` where known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        trace = _traceback(self, record)
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": clean(record.getMessage()),
            **{f"{name}_id": value for name, value in _ids().items()},
            **getattr(record, FIELDS, {}),
            **({"error": clean(trace)} if trace else {}),
        }
        return msgspec.json.encode(fields).decode()


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ids() -> dict[str, str]:
    found = {"request": context.request_id.get(), "run": context.run_id.get()}
    return {name: value for name, value in found.items() if value is not None}


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""
