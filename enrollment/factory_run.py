"""Having a whole production certified, batch by batch: a run that was killed goes on where it stopped.

What the CA answered is in a journal, on the disk before the next batch is sent. The batch that was under way when the
run was killed is sent again, and the CA answers it with the same certificates.

    journal = head, record*    head = magic, SHA-256 of the requests    record = SHA-256 of the bag, its length, x5bag
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from cryptography import x509

from cose.cbor import encode
from cose.files import sync_folder
from cose.keys import thumbprint
from device_pki.bag import decode_x5bag, encode_x5bag
from device_pki.c509 import C509Error, decode_csr
from device_pki.certificates import PARSE_ERRORS
from device_pki.fingerprints import der
from device_pki.keys import KeyKindError, public_key

_MAGIC: Final = b"factory1"
_HASH: Final = 32
_LENGTH: Final = 4

Certify = Callable[[Sequence[bytes]], Awaitable[Sequence[x509.Certificate]]]
"""Has the CA certify one batch."""
Progress = Callable[[int], None]
"""Told how many certificates are in the journal."""


class RunError(ValueError):
    """The run cannot go on; the text says what to do."""


class FactoryRun:
    """One run over the requests (PKCS#10 or C509) of a production; `batch`: requests in one call."""

    def __init__(self, requests: Sequence[bytes], journal: Path, batch: int) -> None:
        self._requests = requests
        self._journal = journal
        self._batch = batch
        self.certificates: list[bytes] = []
        """DER, in the order of the requests: what is certified so far."""

    def resume(self) -> int:
        """Read what an earlier run has left; return how many certificates that is. Raises `RunError`, OSError."""
        head = _MAGIC + hashlib.sha256(encode(list(self._requests))).digest()
        if not self._journal.exists():
            with self._journal.open("xb") as file:
                _append(file.fileno(), head)
            sync_folder(self._journal.parent)
            return 0
        written = self._journal.read_bytes()
        if not written.startswith(head):
            raise RunError(
                f"{self._journal} belongs to a run over other requests: give those, or remove it to begin anew"
            )
        end = len(head)
        for bag in _bags(written, end):
            self._take(decode_x5bag(bag, self._batch))
            end += _HASH + _LENGTH + len(bag)
        os.truncate(self._journal, end)
        return len(self.certificates)

    async def go_on(self, certify: Certify, progress: Progress) -> None:
        """Certify what is missing. Raises what `certify` raises, `RunError` and OSError; may be repeated."""
        with self._journal.open("ab") as file:
            while len(self.certificates) < len(self._requests):
                start = len(self.certificates)
                self._take(await certify(self._requests[start : start + self._batch]))
                bag = encode_x5bag(self.certificates[start:])
                _append(file.fileno(), hashlib.sha256(bag).digest() + len(bag).to_bytes(_LENGTH) + bag)
                progress(len(self.certificates))

    def finish(self) -> None:
        """Remove the journal, once the certificates are where they belong."""
        self._journal.unlink(missing_ok=True)

    def _take(self, certificates: Sequence[x509.Certificate]) -> None:
        """Believe the CA only where each certificate is for the key of its request."""
        start = len(self.certificates)
        wanted = self._requests[start : start + self._batch]
        if len(certificates) != len(wanted):
            raise RunError(f"the CA answered {len(wanted)} requests with {len(certificates)} certificates")
        for number, (request, certificate) in enumerate(zip(wanted, certificates, strict=True), start + 1):
            if key_of(request) != thumbprint(public_key(certificate)):
                raise RunError(f"the certificate the CA gave for request {number} is for another key")
        self.certificates += map(der, certificates)


def key_of(request: bytes) -> bytes:
    """Thumbprint of the key a PKCS#10 or C509 request is for. Raises `RunError`."""
    try:
        if request[:1] == b"\x30":
            return thumbprint(public_key(x509.load_der_x509_csr(request)))
        return thumbprint(decode_csr(request).public_key)
    except (*PARSE_ERRORS, KeyKindError, C509Error) as error:
        raise RunError(f"a request is neither PKCS#10 nor C509 with a usable key: {error}") from error


def _bags(written: bytes, position: int) -> Iterator[bytes]:
    """The whole records of a journal; the last one may have been cut by the end of its run."""
    while position + _HASH + _LENGTH <= len(written):
        digest = written[position : position + _HASH]
        begin = position + _HASH + _LENGTH
        length = int.from_bytes(written[position + _HASH : begin])
        bag = written[begin : begin + length]
        if len(bag) < length or hashlib.sha256(bag).digest() != digest:
            return
        yield bag
        position = begin + length


def _append(descriptor: int, data: bytes) -> None:
    """Write all of it, on the disk when this returns."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)
