"""Shared by all tests of the emulator."""

from __future__ import annotations

import pytest

from tests.device_client.pki import Pki


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki.make()
