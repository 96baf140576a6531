"""How EST's messages look in HTTP: media types, base64, two parts in one body (RFC 7030 3.2.2, RFC 8951)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final

PKCS10: Final = "application/pkcs10"
PKCS8: Final = "application/pkcs8"
PKCS7: Final = "application/pkcs7-mime"
CERTS_ONLY: Final = f"{PKCS7}; smime-type=certs-only"
SERVER_KEY: Final = f"{PKCS7}; smime-type=server-generated-key"
CSR_ATTRIBUTES: Final = "application/csrattrs"
_BOUNDARY: Final = "est-part"
"""Never in base64, which has no hyphen."""
SERVER_KEYGEN: Final = f"multipart/mixed; boundary={_BOUNDARY}"

HttpPart = tuple[str, bytes]
"""A media type and the content."""


class EstBodyError(ValueError):
    """A body that is not what EST puts into one."""


def encode_body(content: bytes) -> bytes:
    """Return base64 in lines."""
    return base64.encodebytes(content)


def decode_body(body: bytes) -> bytes:
    """Return what base64 stands for, white space left out; raise `EstBodyError`."""
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise EstBodyError("the body is no base64") from error


def encode_parts(parts: Sequence[HttpPart]) -> bytes:
    """Return the body of several parts, each in base64."""
    lines: list[bytes] = []
    for media_type, content in parts:
        head = f"--{_BOUNDARY}\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        lines += [head.encode(), encode_body(content)]
    return b"".join([*lines, f"--{_BOUNDARY}--\r\n".encode()])


def decode_parts(content_type: str, body: bytes) -> list[HttpPart]:
    """Return the parts of a multipart body; raise `EstBodyError` for any other one."""
    if "\r" in content_type or "\n" in content_type:
        raise EstBodyError("a content type is one line")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("ascii", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise EstBodyError("the body does not consist of parts")
    parts = []
    for part in message.iter_parts():
        payload = part.get_payload()
        if not isinstance(payload, str):
            raise EstBodyError("a part within a part")
        parts.append((part.get_content_type(), decode_body(payload.encode("ascii", "replace"))))
    return parts
