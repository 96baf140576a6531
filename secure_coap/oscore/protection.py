"""Protecting and opening CoAP messages (RFC 8613 sections 4, 5 and 8).

Everything that means something to the two ends is encrypted; what a proxy needs stays outside. The message's type,
Message ID and token are those of the message around it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from secure_coap.errors import MessageFormatError
from secure_coap.message import Message, decode_body, encode_body, encode_uint
from secure_coap.numbers.codes import CODES, Code
from secure_coap.numbers.options import Option
from secure_coap.oscore.context import SecurityContext
from secure_coap.oscore.errors import OscoreError, OscoreReason
from secure_coap.oscore.option import OscoreOption, partial_iv

RawOptions = tuple[tuple[int, bytes], ...]

_OUTER: Final = frozenset((Option.URI_HOST, Option.URI_PORT, Option.PROXY_URI, Option.PROXY_SCHEME, Option.HOP_LIMIT))
"""Class U: for proxies only, never encrypted (figure 5)."""
_BOTH: Final = frozenset((Option.OBSERVE,))
"""Encrypted, and outside as well, so that proxies know what kind of exchange it is."""
_NEVER_INNER: Final = frozenset((*_OUTER, Option.OSCORE))


@dataclass(frozen=True, slots=True)
class RequestBinding:
    """What a response is bound to: the kid and the partial IV of its request."""

    kid: bytes
    partial_iv: bytes


def protect_request(message: Message, context: SecurityContext) -> tuple[Message, RequestBinding]:
    """The protected request, and what its responses will be bound to. Raises `OscoreError` EXHAUSTED."""
    binding = RequestBinding(context.sender_id, partial_iv(context.next_sequence()))
    option = OscoreOption(binding.partial_iv, context.sender_id, context.id_context)
    observe = message.value(Option.OBSERVE)
    outer_code = Code.POST if observe is None else Code.FETCH
    nonce = context.nonce(context.sender_id, binding.partial_iv)
    return _sealed(message, context, option, outer_code, nonce, binding), binding


def unprotect_request(message: Message, context: SecurityContext) -> tuple[Message, RequestBinding]:
    """The request inside. Raises `OscoreError`; the window moves only for an authentic message."""
    option = OscoreOption.decode(message.value(Option.OSCORE) or b"")
    if option.kid != context.recipient_id or not option.partial_iv:
        raise OscoreError(OscoreReason.MALFORMED)
    sequence = int.from_bytes(option.partial_iv, "big")
    if not context.window.is_new(sequence):
        raise OscoreError(OscoreReason.REPLAY)
    binding = RequestBinding(option.kid, option.partial_iv)
    inner = _opened(message, context, context.nonce(option.kid, option.partial_iv), binding)
    if not inner.code.is_request:
        raise OscoreError(OscoreReason.DECRYPTION)
    context.window.accept(sequence)
    return inner, binding


def protect_response(
    message: Message, context: SecurityContext, binding: RequestBinding, *, own_iv: bool = False
) -> Message:
    """The protected response. The first one to a request may use its nonce; every other needs one of its own.

    Raises `OscoreError` EXHAUSTED.
    """
    if own_iv or message.value(Option.OBSERVE) is not None:
        iv = partial_iv(context.next_sequence())
        option, nonce = OscoreOption(iv), context.nonce(context.sender_id, iv)
    else:
        option, nonce = OscoreOption(), context.nonce(binding.kid, binding.partial_iv)
    observe = message.value(Option.OBSERVE)
    outer_code = Code.CHANGED if observe is None else Code.CONTENT
    return _sealed(message, context, option, outer_code, nonce, binding)


def unprotect_response(
    message: Message, context: SecurityContext, binding: RequestBinding, latest: int | None = None
) -> tuple[Message, int | None]:
    """The response inside, and its own sequence number if it has one. Raises `OscoreError`.

    `latest`: the highest number among the notifications of this observation; older ones are replays (section 7.4.1).
    """
    value = message.value(Option.OSCORE)
    if value is None:
        raise OscoreError(OscoreReason.UNEXPECTED)
    option = OscoreOption.decode(value)
    if not option.partial_iv:
        nonce, number = context.nonce(binding.kid, binding.partial_iv), None
    else:
        number = int.from_bytes(option.partial_iv, "big")
        if latest is not None and number <= latest:
            raise OscoreError(OscoreReason.REPLAY)
        nonce = context.nonce(context.recipient_id, option.partial_iv)
    inner = _opened(message, context, nonce, binding)
    if not inner.code.is_response:
        raise OscoreError(OscoreReason.DECRYPTION)
    return inner, number


def _sealed(  # noqa: PLR0917 - one parameter per thing that is protected or protects
    message: Message,
    context: SecurityContext,
    option: OscoreOption,
    outer_code: Code,
    nonce: bytes,
    binding: RequestBinding,
) -> Message:
    inner = tuple(one for one in message.options if one[0] not in _NEVER_INNER)
    if message.code.is_response:  # the sequence number of a notification is the partial IV (section 4.1.3.5.2)
        inner = tuple((number, b"" if number == Option.OBSERVE else value) for number, value in inner)
    plaintext = bytes((message.code,)) + encode_body(inner, message.payload)
    ciphertext = context.seal(nonce, plaintext, context.aad(binding.kid, binding.partial_iv))
    outer = [one for one in message.options if one[0] in _OUTER or one[0] in _BOTH]
    outer.append((int(Option.OSCORE), option.encode()))
    return replace(message, code=outer_code, options=tuple(sorted(outer, key=lambda one: one[0])), payload=ciphertext)


def _opened(message: Message, context: SecurityContext, nonce: bytes, binding: RequestBinding) -> Message:
    plaintext = context.open(nonce, message.payload, context.aad(binding.kid, binding.partial_iv))
    if not plaintext:
        raise OscoreError(OscoreReason.DECRYPTION)
    try:
        inner, payload = decode_body(plaintext, 1)
    except MessageFormatError as error:
        raise OscoreError(OscoreReason.DECRYPTION) from error
    options = [one for one in inner if one[0] not in _NEVER_INNER]
    options += [one for one in message.options if one[0] in _OUTER]
    code = CODES[plaintext[0]]
    if code.is_response:
        options = [_notification(one, message) for one in options]
    return replace(message, code=code, options=tuple(sorted(options, key=lambda one: one[0])), payload=payload)


def _notification(option: tuple[int, bytes], message: Message) -> tuple[int, bytes]:
    """A notification's order is that of its partial IV; the engine compares the least significant 24 bits of it.

    One without a partial IV of its own, under the request's nonce, can only be the first.
    """
    if option[0] != Option.OBSERVE:
        return option
    own = OscoreOption.decode(message.value(Option.OSCORE) or b"")
    number = int.from_bytes(own.partial_iv, "big") + 1 if own.partial_iv else 0
    return option[0], encode_uint(number & 0xFFFFFF)
