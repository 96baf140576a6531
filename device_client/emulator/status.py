"""What a device's own files say about it; reads only, and works beside a running device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509

from device_client.emulator.factory import device_files, endpoints
from device_client.emulator.storage import identity
from device_client.emulator.storage.identity import FactoryRecord
from device_client.emulator.storage.record_file import FILE as RECORD_FILE
from device_client.emulator.storage.record_file import RecordFile
from device_client.emulator.storage.software import SoftwareStore
from device_client.emulator.storage.vault import Vault
from device_pki.fingerprints import fingerprint
from trust_transfer.device.record import DeviceRecord


def statuses(data: Path, select: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """One mapping per device, in order of their names, or of `select`; every value fits JSON. Raises StorageError."""
    return [status(data, endpoint) for endpoint in (select or endpoints(data))]


def status(data: Path, endpoint: str) -> Mapping[str, Any]:
    """The status of one device. Byte strings are in hex."""
    files = device_files(data, endpoint)
    factory = identity.load(files)
    if factory.installed is None or not files.exists(RECORD_FILE):
        return {"endpoint": endpoint, "state": "made", "factory_key": factory.key_thumbprint.hex()}
    record = RecordFile(files).load()
    software = SoftwareStore(files).state
    return {
        "endpoint": endpoint,
        "state": record.state.name.lower(),
        "result": record.result.name.lower(),
        "epoch": record.epoch,
        "burned": record.burned,
        "server_uri": record.account.server_uri,
        "enroll_uri": record.account.enroll_uri,
        "fallback_uri": record.fallback_uri,
        "anchors": sorted(name.hex() for name in record.truststore),
        "certificates": sorted(name.hex() for name in Vault(files).certificate_names()),
        "authorities": [name.hex() for name in record.authority_thumbprints],
        "running": software.running.manifest.digest.hex(),
        "sequence": software.sequence,
        "factory_certificate": fingerprint(factory.installed.certificate).hex(),
        "operational_certificate": _certificate(record.account.certificate),
        "transfer": _transfer(record),
        "report": None if record.report is None else record.report.hex(),
        "secrets": _secrets(record, factory, Vault(files)),
        "erase_pending": record.erase_pending,
    }


def _certificate(der: bytes | None) -> Mapping[str, Any] | None:
    if der is None:
        return None
    certificate = x509.load_der_x509_certificate(der)
    return {
        "fingerprint": fingerprint(certificate).hex(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "not_after": int(certificate.not_valid_after_utc.timestamp()),
        "der": der.hex(),
    }


def _transfer(record: DeviceRecord) -> Mapping[str, Any] | None:
    order, attempt = record.order, record.attempt
    if order is None:
        return None
    return {
        "id": order.transfer_id.hex(),
        "seq": order.seq,
        "not_before": order.not_before,
        "not_after": order.not_after,
        "update_uri": order.destination.update_uri,
        "attempt_key": None if attempt is None else attempt.key.hex(),
        "attempts": 0 if attempt is None else attempt.attempts,
        "message": order.raw.hex(),
    }


def _secrets(record: DeviceRecord, factory: FactoryRecord, vault: Vault) -> Mapping[str, list[str]]:
    """Private keys on the device by owner: the factory, the provider of an epoch, an attempt, or nobody any more."""
    attempt = None if record.attempt is None else record.attempt.key
    owners = {factory.key_thumbprint: "factory", attempt: "attempt", record.account.credential: f"epoch {record.epoch}"}
    secrets: dict[str, list[str]] = {}
    for name in vault.key_names():
        secrets.setdefault(owners.get(name, "left over"), []).append(name.hex())
    return secrets
