"""JSON lines on stderr: one object per event, always with `endpoint` once a device is known, never with a secret."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

Logger = structlog.typing.FilteringBoundLogger


def configure(stream: TextIO = sys.stderr) -> None:
    """Set up the process's log; aiocoap's own chatter is kept to errors."""
    logging.basicConfig(stream=stream, level=logging.ERROR, format="%(message)s")
    logging.getLogger("coap").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )


def device_logger(endpoint: str) -> Logger:
    """The logger of one device."""
    logger: Logger = structlog.get_logger().bind(endpoint=endpoint)
    return logger
