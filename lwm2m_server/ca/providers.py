"""The service providers that may call the CA API: names and pinned TLS certificates."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from device_pki.fingerprints import fingerprint
from lwm2m_server.api.mutual_tls import PinError, pin
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError, read_certificates
from lwm2m_server.ca.setup import write_certificates

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

log = structlog.get_logger()


class ProviderPins:
    """Reads the pinned certificates again on `refresh`, so that `ca provider add` acts on a running CA."""

    def __init__(self, directory: CaDirectory, configured: Mapping[str, Path]) -> None:
        self._directory = directory
        self._configured = dict(configured)
        self._names: dict[bytes, str] = {}
        self._seen: dict[Path, tuple[int, int]] | None = None

    @property
    def names(self) -> Mapping[bytes, str]:
        """Name of each provider by the fingerprint of its certificate."""
        return self._names

    def name_of(self, certificate_fingerprint: bytes) -> str | None:
        """Return the provider with this certificate, None for a stranger."""
        return self._names.get(certificate_fingerprint)

    def refresh(self, context: ssl.SSLContext | None = None) -> None:
        """Read what changed; let new certificates in through `context`. A removed one is a stranger from now on."""
        files = dict(self._configured) | {path.stem: path for path in self._directory.providers.glob("*.pem")}
        seen = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files.values()}
        if seen == self._seen:
            return
        certificates = {name: read_certificates(path)[0] for name, path in sorted(files.items())}
        known, self._names = self._names, {fingerprint(c): name for name, c in certificates.items()}
        for certificate in certificates.values():
            if context is not None and fingerprint(certificate) not in known:
                pin(context, certificate)
        self._seen = seen
        log.info("providers_pinned", providers=sorted(certificates))


def add_provider(directory: CaDirectory, name: str, certificate: Path) -> x509.Certificate:
    """Pin a provider's TLS certificate under `name`; the same again changes nothing. Raises `CaDirectoryError`.

    A provider keeps its labels when its certificate is replaced by another under the same name.
    """
    pinned = check_provider(directory, name, certificate)
    path = directory.providers / f"{name}.pem"
    if not path.exists() or read_certificates(path)[0] != pinned:
        write_certificates(path, [pinned])
    return pinned


def check_provider(directory: CaDirectory, name: str, certificate: Path) -> x509.Certificate:
    """Return the certificate that `add_provider` would pin; raise `CaDirectoryError` where it would."""
    directory.chain()
    if _NAME.fullmatch(name) is None:
        raise CaDirectoryError("a provider's name is 1 to 64 characters of A-Z a-z 0-9 . _ -")
    pinned = read_certificates(certificate)[0]
    try:
        pin(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pinned)
    except PinError as error:
        raise CaDirectoryError(str(error)) from error
    return pinned
