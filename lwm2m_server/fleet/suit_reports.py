"""SUIT reports: what a device signs about a manifest it has processed is read, verified, and kept as evidence.

A fresh nonce is written first, so that an old report of the same manifest proves nothing (draft-ietf-suit-report).
"""

from __future__ import annotations

import secrets
from typing import Final

import structlog

from cose.keys import PublicKey
from lwm2m_server.clock import Clock
from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.protocol.object_links import links_of
from lwm2m_server.server.device import Device
from lwm2m_server.store import suit as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.suit import StoredReport
from objects.definition import ObjectDefinition
from objects.model import MODEL
from suit.errors import SuitError, SuitReason
from suit.report import Report, verify_report

REPORT: Final[ObjectDefinition] = MODEL["SUIT Report"]
NONCE_BYTES: Final = 16
PATIENCE: Final = 7 * 86_400.0
"""Seconds after its end in which the report on an update is asked for."""

log = structlog.get_logger()


class SuitReports:
    """Collects the reports of devices that have object 33004."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def missing(self) -> set[str]:
        """Devices whose last update with a manifest has ended lately and has no report."""
        async with self._database.reading() as connection:
            return await store.unreported_endpoints(connection, self._clock.now() - PATIENCE)

    async def collect(self, device: Device, links: str, key: PublicKey) -> bool:
        """Store the report on the last update of this device, signed by `key`; True when there was one to store.

        Raises `DeviceOffline`, `AnswerUnusable`. What a device refuses or signs wrongly is logged and not stored.
        """
        if REPORT.id not in links_of(links):
            return False
        async with self._database.reading() as connection:
            missing = await store.unreported(connection, device.endpoint, self._clock.now() - PATIENCE)
        if missing is None:
            return False
        nonce = secrets.token_bytes(NONCE_BYTES)
        try:
            await device.write(REPORT["Nonce"].path(), nonce)
            body = await device.read_value(REPORT["Report"])
        except DeviceRefused as refused:
            log.info("suit_report_refused", endpoint=device.endpoint, error=str(refused))
            return False
        update, digest = missing
        try:
            report = _verified(body, key, digest, nonce)
        except SuitError as error:
            log.warning("suit_report_refused", endpoint=device.endpoint, error=str(error))
            return False
        failure = report.failure
        reason, code = (None, None) if failure is None else (int(failure.reason), failure.code)
        assert isinstance(body, bytes), "a report that was verified"
        stored = StoredReport(update, device.endpoint, digest, reason, code, self._clock.seconds(), body)
        async with self._database.transaction() as connection:
            await store.add_report(connection, stored)
        log.info("suit_report_stored", endpoint=device.endpoint, digest=digest.hex(), success=failure is None)
        return True


def _verified(body: object, key: PublicKey, digest: bytes, nonce: bytes) -> Report:
    """The report, when it is this device's on this manifest, and signed now. Raises SuitError."""
    if not isinstance(body, bytes):
        raise SuitError(SuitReason.MALFORMED, "no report")
    report = verify_report(body, key)
    if report.nonce != nonce or report.digest.digest != digest:
        raise SuitError(SuitReason.SIGNATURE, "the report is about another manifest, or not fresh")
    return report
