"""Fixtures of the channel tests."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture
def unused_udp_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
