"""Object 33002 (Enrollment): the one CA of the present provider, and the anchors of the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from device_client.emulator.life.credentials import Credentials
from device_client.emulator.life.host import TransferHost
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Arguments, Content
from device_client.emulator.storage.files import StorageError
from device_client.emulator.storage.preferences import PreferencesFile
from device_client.emulator.storage.vault import Vault
from device_pki.certificates import CertificateError, load_certificate
from device_pki.keys import KeyKindError, public_key
from secure_coap.errors import BadRequest
from trust_transfer.device.actions import Answer
from trust_transfer.device.events import AccountWritten, AnchorsWritten, Source

MAX_ANCHOR: Final = 2048
"""Bytes of one anchor certificate."""
MAX_RENEW_BEFORE: Final = 10 * 365 * 86400


def enrollment_object(
    host: TransferHost,
    credentials: Credentials,
    vault: Vault,
    preferences: PreferencesFile,
    enroll: Callable[[], None],
) -> DeviceObject:
    """`enroll` is called when the server orders an enrollment."""

    def anchors() -> Content | None:
        """The account's own anchors first, then those written beside them; the permanent one is not a provider's."""
        record = host.record
        names = (*(anchor.fingerprint for anchor in record.account.anchors), *record.added_anchors)
        held = [der for der in (_held(vault, name) for name in dict.fromkeys(names)) if der is not None]
        return dict(enumerate(held)) or None

    def write_anchors(content: Content, source: Source, *, instead: bool = False) -> Answer:
        assert isinstance(content, Mapping)
        certificates = [_anchor(der) for der in content.values()]
        held = set(vault.certificate_names())
        names = tuple(vault.keep_certificate(certificate) for certificate in certificates)
        answer = host.handle(AnchorsWritten(names, instead, source))
        if not answer.success:
            vault.erase_certificates(set(names) - held)
        return answer

    def write_profile(name: str, content: Content, source: Source) -> Answer:
        if not isinstance(content, int) or content not in {0, 1}:
            raise BadRequest("0 or 1")
        profile = replace(host.record.account.profile, **{name: content})
        return host.handle(AccountWritten(profile=profile, source=source))

    def write_renew_before(content: Content, source: Source) -> None:
        if not isinstance(content, int) or not 0 <= content <= MAX_RENEW_BEFORE:
            raise BadRequest(f"0..{MAX_RENEW_BEFORE} seconds")
        preferences.change(renew_before=content)

    def execute_enroll(arguments: Arguments, source: Source) -> Answer | None:
        enroll()
        return None

    def not_after() -> int | None:
        certificate = credentials.certificate()
        return None if certificate is None else int(certificate.not_valid_after_utc.timestamp())

    return DeviceObject.single(
        "Enrollment",
        readers={
            "Enroll URI": lambda: host.record.account.enroll_uri,
            "Protocol": lambda: host.record.account.profile.protocol,
            "Request Format": lambda: host.record.account.profile.request,
            "Key Generation": lambda: host.record.account.profile.keygen,
            "Certificate": lambda: host.record.account.certificate,
            "Not After": not_after,
            "Trust Anchors": anchors,
            "State": lambda: int(credentials.state),
            "Result": lambda: int(credentials.result),
            "Renew Before": lambda: preferences.now.renew_before,
        },
        writers={
            "Enroll URI": lambda uri, source: host.handle(AccountWritten(enroll_uri=str(uri), source=source)),
            "Protocol": partial(write_profile, "protocol"),
            "Request Format": partial(write_profile, "request"),
            "Key Generation": partial(write_profile, "keygen"),
            "Trust Anchors": write_anchors,
            "Renew Before": write_renew_before,
        },
        replacers={"Trust Anchors": partial(write_anchors, instead=True)},
        executors={"Enroll": execute_enroll},
    )


def _anchor(der: object) -> x509.Certificate:
    if not isinstance(der, bytes) or len(der) > MAX_ANCHOR:
        raise BadRequest(f"an anchor is a certificate of at most {MAX_ANCHOR} bytes")
    try:
        certificate = load_certificate(der)
        public_key(certificate)
    except (CertificateError, KeyKindError) as error:
        raise BadRequest("an anchor is an X.509 certificate with a P-256, P-384 or Ed25519 key") from error
    return certificate


def _held(vault: Vault, name: bytes) -> bytes | None:
    try:
        return vault.certificate(name).public_bytes(Encoding.DER)
    except StorageError:
        return None
