"""What all tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.tokens import Token, made_token

# How fast a machine is says nothing about the code: no example fails for taking long.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


# As in the product, logs go to stderr: a command that runs beside a server in one process prints its own lines only.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """A PKCS#11 token with keys; see `tests.tokens`."""
    with made_token(tmp_path_factory.mktemp("token")) as made:
        yield made


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by bytes: those with a fresh key or signature in them have another name in each parallel worker."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out suites over foreign files where those are not beside the checkout.

    Our own fixtures in `tests/vectors` hold what is needed; a larger collection beside the checkout is walked as well
    when it is there. pytest would call a suite over no files skipped, although nothing was left untested.
    """
    absent = [item for item in items if _walks_no_files(item)]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]


def _walks_no_files(item: pytest.Item) -> bool:
    return any(
        str(mark.kwargs.get("reason")).startswith("got empty parameter set") for mark in item.iter_markers("skip")
    )
