"""The factory: a device makes its key and its certificate request, later its certificate and first trust are installed.

The device's directory is the device; nothing outside it is needed to run it, and nothing in it says where it lies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from cryptography import x509

from cose.keys import authority_key, thumbprint
from device_client.emulator.storage import identity
from device_client.emulator.storage.agreement_keys import AgreementKeys
from device_client.emulator.storage.files import DeviceFiles, StorageError
from device_client.emulator.storage.identity import FactoryRecord, Installed
from device_client.emulator.storage.record_file import FILE as RECORD_FILE
from device_client.emulator.storage.record_file import RecordFile
from device_client.emulator.storage.software import SoftwareStore
from device_client.emulator.storage.vault import Vault
from device_pki.fingerprints import fingerprint
from device_pki.keys import public_key
from device_pki.names import check_endpoint_name, endpoint_name
from enrollment.csr import build_csr
from trust_transfer.device.minimum import SERVER_KEYS, Minimum
from trust_transfer.device.record import Account, DeviceRecord, Endorser
from trust_transfer.messages.numbers import AnchorRole, Form
from trust_transfer.messages.values import Anchor, Authorities, EnrollmentProfile

DEFAULT_PREFIX: Final = "urn:dev:os:32473-"
"""Example enterprise number of RFC 5612 in the form of RFC 9039."""


PROFILES: Final = {"dtls": (0, 0), "compact": (1, 1)}
"""Protocol and request format of object 33002: EST-coaps with PKCS#10, EST over OSCORE with C509."""


def profile_of(name: str, *, server_keys: bool) -> tuple[int, int, int]:
    """The numbers of a profile. Raises ValueError for an unknown one."""
    if name not in PROFILES:
        raise ValueError(f"a profile is {' or '.join(PROFILES)}, not {name!r}")
    return (*PROFILES[name], int(server_keys))


def protocols_of(names: Collection[str], *, server_keys: bool) -> int:
    """The bitmap of what a device may be told to speak. Raises ValueError for an unknown profile."""
    bits = {1 << profile_of(name, server_keys=False)[0] for name in names}
    return sum(bits) | (SERVER_KEYS if server_keys else 0)


def device_files(data: Path, endpoint: str) -> DeviceFiles:
    """The directory of one device. Raises StorageError for a name that is no directory name."""
    if check_endpoint_name(endpoint).startswith("."):
        raise StorageError(f"a device's directory is named like it, so its name begins with no dot: {endpoint}")
    return DeviceFiles(data / endpoint)


def endpoints(data: Path) -> Iterator[str]:
    """Names of the devices in a data directory, sorted."""
    if data.is_dir():
        yield from sorted(path.name for path in data.iterdir() if (path / identity.FILE).is_file())


def make(data: Path, count: int, prefix: str = DEFAULT_PREFIX) -> list[bytes]:
    """Make `count` new devices, numbered on from those that are there; returns their certificate requests (DER)."""
    taken = set(endpoints(data))
    names = (name for n in range(1, len(taken) + count + 1) if (name := f"{prefix}{n:06d}") not in taken)
    return [_make_one(device_files(data, name), name) for _, name in zip(range(count), names, strict=False)]


def _make_one(files: DeviceFiles, endpoint: str) -> bytes:
    name, key = Vault(files).make_key()
    AgreementKeys(files).make_first()
    identity.save(files, FactoryRecord(endpoint, name))
    return build_csr(key, endpoint)


def install(data: Path, installed: Installed, image: bytes) -> str:
    """Install one device; returns its endpoint name. Repeating it with the same certificate changes nothing.

    Raises StorageError when the certificate is not for this device's key, or another one is installed already, and
    ValueError for a profile that does not fit its URI or is not allowed.
    """
    endpoint = endpoint_name(installed.certificate)
    _check_profile(installed)
    files = device_files(data, endpoint)
    made = identity.load(files)
    if thumbprint(public_key(installed.certificate)) != made.key_thumbprint:
        raise StorageError(f"the certificate of {endpoint} is for another key: make the request again")
    if made.installed is not None and made.installed.certificate != installed.certificate:
        raise StorageError(f"{endpoint} has a factory certificate already; a device is born once")
    if not files.exists(RECORD_FILE):
        vault = Vault(files)
        for anchor in (installed.permanent_anchor, installed.ca_anchor, installed.server_anchor):
            vault.keep_certificate(anchor)
        SoftwareStore.create(files, image)
        identity.save(files, replace(made, installed=installed))
        # Last, because a device is complete as soon as its record is there.
        RecordFile(files).save(first_record(endpoint, installed))
    return endpoint


def first_record(endpoint: str, installed: Installed) -> DeviceRecord:
    """The record of a device that leaves the factory: epoch 0, owned by its first provider, not yet enrolled."""
    account = Account(
        server_uri=installed.server_uri,
        enroll_uri=installed.ca_uri,
        profile=EnrollmentProfile(*installed.profile),
        authorities=Authorities(installed.transfer_authority, installed.firmware_authority),
        anchors=(
            Anchor(AnchorRole.ENROLL, fingerprint(installed.ca_anchor)),
            Anchor(AnchorRole.UPDATE, fingerprint(installed.server_anchor)),
        ),
    )
    return DeviceRecord(
        endpoint=endpoint,
        permanent_anchor=fingerprint(installed.permanent_anchor),
        minimum=_minimum(installed),
        account=account,
        fallback_uri=installed.server_uri,
        lab=installed.lab,
        time_floor=installed.installed_at,
        endorsers=tuple(_endorser(certificate) for certificate in installed.endorsers),
    )


def _endorser(certificate: x509.Certificate) -> Endorser:
    return Endorser(authority_key(public_key(certificate)), int(certificate.not_valid_after_utc.timestamp()))


def _minimum(installed: Installed) -> Minimum:
    return Minimum(form=Form(installed.minimum_form), protocols=installed.protocols)


def _check_profile(installed: Installed) -> None:
    """The first provider's CA must be reachable by the first profile, and the device must be allowed it."""
    profile, minimum = EnrollmentProfile(*installed.profile), _minimum(installed)
    if not minimum.allows(profile) or not installed.ca_uri.startswith(f"{profile.scheme}://"):
        raise ValueError(f"this profile needs a CA-URI that begins with {profile.scheme}://, and to be allowed")
    if not installed.server_uri.startswith(tuple(f"{scheme}://" for scheme in minimum.schemes)):
        raise ValueError(f"the device speaks {', '.join(minimum.schemes)} only, and so must its server")
