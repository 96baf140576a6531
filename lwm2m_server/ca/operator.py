"""What an operator does to a CA's register, directly on the data folder: safe beside a running CA.

The database serialises the writers; a running CA notices within a second, its API with the next call.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from device_pki.fingerprints import fingerprint
from enrollment.ca.backend import CaBackendError
from enrollment.ca.revocations import RevocationPublisher
from enrollment.register import ALL, DeviceEntry, EnrollmentRefused, Label, LabelPolicy, UnknownEntry
from lwm2m_server.ca.backends import opened_backend
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError, read_certificates
from lwm2m_server.settings import CaSettings
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_listing import (
    CertificateFilter,
    FactoryCertificate,
    LabelSummary,
    ListedCertificate,
    list_certificates,
    list_factory_certificates,
    list_labels,
)
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister

_FINGERPRINT: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
MAX_LABELS: Final = 100_000
"""Labels that are looked through for one."""
LIST_INTERVAL: Final = timedelta(hours=12)
"""When nothing was revoked, a command signs a new list only after this time."""


@dataclass(frozen=True, slots=True)
class CaOperator:
    """An opened CA folder."""

    directory: CaDirectory
    register: SqlEnrollmentRegister
    database: Database
    settings: CaSettings | None = None
    """Where the authority is, unless the folder has its key."""

    async def find_label(self, wanted: str) -> Label:
        """Return a label by its text, the six characters logs show, or its UUID; raise `CaDirectoryError`."""
        labels = [one.label for one in await self.labels(MAX_LABELS)]
        found = [label for label in labels if wanted in {label.text, label.log_name, str(label.uuid)}]
        if len(found) != 1:
            problem = "no label is" if not found else "more than one label is"
            raise CaDirectoryError(f"{problem} {wanted!r}; `lwm2m-server ca labels list` shows every label")
        return found[0]

    async def labels(self, limit: int) -> list[LabelSummary]:
        """Return up to `limit` labels."""
        return await list_labels(self.database, limit=limit)

    async def certificates(self, wanted: CertificateFilter, limit: int) -> list[ListedCertificate]:
        """Return up to `limit` operational certificates, the oldest first."""
        return await list_certificates(self.database, wanted, limit=limit)

    async def factory_certificates(self, endpoint: str | None, limit: int) -> list[FactoryCertificate]:
        """Return up to `limit` factory certificates, the oldest first."""
        return await list_factory_certificates(self.database, endpoint=endpoint, limit=limit)

    async def change_policy(
        self, wanted: str, changes: Mapping[str, object], *, dry_run: bool
    ) -> tuple[Label, LabelPolicy]:
        """Change fields of what a label allows, or only see what that would be. Raises ValueError for bad ones."""
        label = await self.find_label(wanted)
        policy = replace(await self.register.policy(label.text), **changes)  # type: ignore[arg-type]
        if changes and not dry_run:
            await self.register.set_policy(label.provider, label.uuid, policy, datetime.now(UTC))
        return label, policy

    async def close_entry(self, wanted: str, device: str, *, revoke: bool) -> DeviceEntry:
        """Close a device's entry, given by fingerprint (or its beginning) or endpoint name; return it as it is now."""
        entry, now = await self.find_entry(wanted, device), datetime.now(UTC)
        try:
            await self.register.set_entry(
                entry.label, entry.fingerprint, open_=False, revoke=ALL if revoke else None, now=now
            )
        except UnknownEntry as error:
            raise CaDirectoryError("the entry is gone") from error
        if revoke:
            await self.crl()
        return await self.register.entry(entry.label, entry.fingerprint)

    async def find_entry(self, wanted: str, device: str) -> DeviceEntry:
        """Return a device's entry, found as for `close_entry`; raise `CaDirectoryError`."""
        label = await self.find_label(wanted)
        found = [
            entry
            for entry in await self.register.entries(label.text)
            if entry.endpoint == device or (len(device) >= 8 and entry.fingerprint.hex().startswith(device.lower()))
        ]
        if len(found) != 1:
            raise CaDirectoryError(
                f"{'no' if not found else 'more than one'} device of this label is {device!r}: give the fingerprint "
                f"that `lwm2m-server ca labels show {label.uuid}` lists"
            )
        return found[0]

    async def find_certificate(self, wanted: str) -> x509.Certificate:
        """Return a certificate of this CA by its file (PEM) or fingerprint (hex); raise `CaDirectoryError`."""
        if _FINGERPRINT.fullmatch(wanted):
            try:
                return x509.load_der_x509_certificate((await self.register.issued(bytes.fromhex(wanted))).certificate)
            except EnrollmentRefused as error:
                raise CaDirectoryError(f"no device has the certificate {wanted}: `ca list` shows them") from error
        certificate = read_certificates(Path(wanted))[0]
        if not self.directory.is_issuer_of(certificate):
            raise CaDirectoryError(f"{wanted} was not issued by this CA: its issuer must revoke it")
        return certificate

    async def revoke(self, certificate: x509.Certificate) -> None:
        """Revoke a certificate of this CA, whatever it is for, and publish the list that says so."""
        await self._close_key(certificate)
        await self.register.revoke_serial(certificate.serial_number, certificate.not_valid_after_utc, datetime.now(UTC))
        await self.crl()

    async def _close_key(self, certificate: x509.Certificate) -> None:
        """A revoked operational certificate takes its key with it: a repeated request must not return it."""
        try:
            issued = await self.register.issued(fingerprint(certificate))
            entry = await self.register.entry(issued.label, issued.device)
        except EnrollmentRefused:
            return
        now = datetime.now(UTC)
        await self.register.set_entry(
            issued.label, issued.device, open_=entry.open, revoke=issued.key_thumbprint, now=now
        )

    async def crl(self) -> bytes:
        """Return the newest revocation list (DER), signing it if something was revoked since."""
        return (await self.crls())[0]

    async def crls(self) -> tuple[bytes, ...]:
        """Return that list, then the same by each of the CA's earlier keys."""
        try:
            async with opened_backend(self.directory, self.settings) as backend:
                publisher = RevocationPublisher(
                    self.register, backend, interval=LIST_INTERVAL, clock=lambda: datetime.now(UTC)
                )
                return await publisher.all_current()
        except CaBackendError as error:
            raise CaDirectoryError(f"stored, but the revocation list cannot be signed now: {error}") from error


@asynccontextmanager
async def opened(directory: CaDirectory, settings: CaSettings | None = None) -> AsyncIterator[CaOperator]:
    """Open a CA's register for the block. Raises `CaDirectoryError` when the folder holds no CA."""
    directory.chain()
    database = await Database.open(directory.database)
    try:
        yield CaOperator(directory, SqlEnrollmentRegister(database), database, settings)
    finally:
        await database.close()
