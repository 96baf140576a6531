"""C509 by Bouncy Castle in a Java process, spoken to line by line."""

from __future__ import annotations

import subprocess
from typing import Self

from tests.interop import java


class BouncyCastleRefused(Exception):
    """The peer could not do it; the text is the Java exception."""


class BouncyCastle:
    """The process; a context manager. Certificates and requests are CBOR arrays there."""

    def __init__(self) -> None:
        self._command = java.command(java.BOUNCY_CASTLE)

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, order: str, *arguments: bytes) -> bytes:
        """Have an order carried out. Raises `BouncyCastleRefused`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join([order, *(argument.hex() for argument in arguments)]) + "\n")
        answer = self._process.stdout.readline().strip()
        if not answer or answer.startswith("!"):
            raise BouncyCastleRefused(answer)
        return bytes.fromhex(answer)
