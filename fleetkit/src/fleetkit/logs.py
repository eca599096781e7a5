"""Logs: one JSON line per past-tense event on stdout, ECS names, ids from the context."""

import logging
import sys
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any, Final, cast

import orjson
import structlog
from structlog.types import FilteringBoundLogger, Processor

from fleetkit import context

_QUIET: Final = ("asyncio", "httpx", "httpcore", "aiohttp.access", "uvicorn.error")
"""What they say below a warning, our own events say better."""

_EXCEPTION_PARTS: Final = 3


Tee = Callable[[bytes], None]
"""Is given each line as well; it must not wait, and must not log."""


class _Renderer:
    """Writes an event as one line of JSON."""

    def __init__(self, tee: Tee | None) -> None:
        self._tee = tee

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
        line = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
        if self._tee is not None:
            self._tee(line)
        return line

    def text(self, logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        return self(logger, method, event).decode()


def _add_ids(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    trace, request = context.trace_id.get(), context.request_id.get()
    if trace is not None:
        event.setdefault("trace.id", trace)
    if request is not None:
        event.setdefault("http.request.id", request)
    return event


def _add_error(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Write the traceback as Python prints it, which shows no local variables."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) and len(info) == _EXCEPTION_PARTS else info
    if isinstance(error, BaseException):
        event["error.type"] = f"{type(error).__module__}.{type(error).__qualname__}"
        event["error.message"] = str(error)
        event["error.stack_trace"] = "".join(traceback.format_exception(error))
    return event


def _adopt_foreign(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Name the library that logs, and drop uvicorn's second message with colours in it."""
    event["log.logger"] = event["_record"].name
    event.pop("color_message", None)
    return event


def _processors(service: str, instance: str) -> list[Processor]:
    def name_service(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event["log.level"] = event.pop("level", "info")
        event["message"] = event.pop("event", "")
        event["service.name"] = service
        event["service.instance"] = instance
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
        _add_ids,
        _add_error,
        name_service,
    ]


def configure(service: str, instance: str, level: str = "info", tee: Tee | None = None) -> None:
    """Route structlog and the standard library, uvicorn's loggers too, to JSON on stdout."""
    render = _Renderer(tee)
    number = logging.getLevelNamesMapping()[level.upper()]
    chain = _processors(service, instance)
    structlog.configure(
        processors=[*chain, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _adopt_foreign, *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render.text],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    logging.captureWarnings(capture=True)


def get(name: str) -> FilteringBoundLogger:
    return cast("FilteringBoundLogger", structlog.get_logger(**{"log.logger": name}))
