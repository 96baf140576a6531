"""Revocation lists that someone else keeps fresh in files, read again when they change.

At the start each CA must have a list that counts: a server that would shut everyone out tells so at once. Later a file
that cannot be used leaves the list of before in force, until that one expires.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from device_pki.revocation import MAX_CRL_SIZE, CrlError, CrlReason
from lwm2m_server.server.revocation import DeviceRevocation

log = structlog.get_logger()

_ARMOUR: Final = b"-----BEGIN X509 CRL-----"
_MAX_LISTS: Final = 4
"""Lists in one file of PEM: by a CA's present key, and by those it had."""
_MAX_FILE: Final = 2 * _MAX_LISTS * MAX_CRL_SIZE
"""Octets of the largest file; base64 makes a list a third larger."""
_BLOCK: Final = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


class CrlFileError(Exception):
    """A file of revocations that cannot be used, or one that is missing; the text says what to do."""


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What tells that a file has changed."""

    inode: int
    size: int
    modified: int


class CrlFiles:
    """Keeps `revocation` as fresh as the files are. `setting` is the one that names them, `anchors` that of the CAs."""

    def __init__(
        self,
        paths: Sequence[Path],
        revocation: DeviceRevocation,
        *,
        setting: str = "device_crls",
        anchors: str = "device_anchors",
    ) -> None:
        self._setting, self._anchors = setting, anchors
        self._paths = tuple(paths)
        self._revocation = revocation
        self._taken: dict[Path, _Stamp] = {}
        self._told: dict[Path, str] = {}

    def load(self) -> None:
        """Read every file for the first time; raises `CrlFileError`."""
        listed: set[x509.Certificate] = set()
        for path in self._paths:
            try:
                listed.update(self._take(path, _stamp(path)))
            except OSError as error:
                problem = f"{self._setting}: {path}: {error.strerror}; put the list of the CA there"
                raise CrlFileError(problem) from error
            except CrlError as error:
                remedy = _REMEDY[error.reason].format(anchors=self._anchors, setting=self._setting)
                raise CrlFileError(f"{self._setting}: {path}: {error}; {remedy}") from error
        for issuer in self._revocation.issuers:
            if issuer not in listed and not self._revocation.ocsp.answers_for(issuer):
                name = issuer.subject.rfc4514_string()
                raise CrlFileError(
                    f"{self._setting}: no revocation list of {name}: name its file or its responder too, or drop the "
                    f"CA from {self._anchors}"
                )

    def reread(self) -> bool:
        """Read what has changed; True when a list was taken in. A file that cannot be used is told once."""
        changed = [path for path in self._paths if self._changed(path)]
        return bool(changed)

    def _changed(self, path: Path) -> bool:
        try:
            stamp = _stamp(path)
            if stamp == self._taken.get(path):
                return False
            self._take(path, stamp)
        except (OSError, CrlError) as error:
            if self._told.get(path) != str(error):
                log.warning("crl_refused", file=str(path), reason=str(error))
            self._told[path] = str(error)
            return False
        self._told.pop(path, None)
        log.info("crl_taken", file=str(path))
        return True

    def _take(self, path: Path, stamp: _Stamp) -> tuple[x509.Certificate, ...]:
        """Take in the lists of a file; those by keys that are no anchors here may stand beside one that counts."""
        with path.open("rb") as file:
            lists = _ders(file.read(_MAX_FILE + 1))
        issuers: list[x509.Certificate] = []
        refused = None
        for der in lists:
            try:
                issuers += self._revocation.take(der)
            except CrlError as error:
                if error.reason is not CrlReason.WRONG_ISSUER:
                    raise
                refused = error
        if refused is not None and not issuers:
            raise refused
        self._taken[path] = stamp
        return tuple(issuers)


_REMEDY: Final = {
    CrlReason.TOO_LARGE: "the CA has to issue a shorter list",
    CrlReason.MALFORMED: "fetch the CA's complete list again, PEM or DER",
    CrlReason.WRONG_ISSUER: "name the lists of the CAs in {anchors}",
    CrlReason.NOT_YET_VALID: "set this machine's clock",
    CrlReason.STALE: "fetch the CA's newest list",
    CrlReason.OLDER: "name one list for each CA, the newest",
}


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return _Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def _ders(data: bytes) -> list[bytes]:
    """The one list of a DER file, or those of a PEM file."""
    if len(data) > _MAX_FILE:
        raise CrlError(CrlReason.TOO_LARGE, f"a file of at most {_MAX_FILE} octets is read")
    if not data.startswith(_ARMOUR):
        return [data]
    blocks = _BLOCK.findall(data)
    if not 1 <= len(blocks) <= _MAX_LISTS:
        raise CrlError(CrlReason.MALFORMED, f"not the PEM of 1 to {_MAX_LISTS} revocation lists")
    try:
        return [x509.load_pem_x509_crl(block).public_bytes(Encoding.DER) for block in blocks]
    except ValueError as error:
        raise CrlError(CrlReason.MALFORMED, "not the PEM of a revocation list") from error
