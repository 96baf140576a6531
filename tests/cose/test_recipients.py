"""Keys wrapped for recipients: opened by those they are for, refused with the reason by all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from cose import cbor
from cose.errors import CoseError, CoseReason
from cose.numbers import Algorithm, Curve, Header, KeyParameter, KeyType
from cose.recipients import MAX_RECIPIENTS, RecipientKey, SealedFor, parse_recipients, unwrap

SECRET = bytes(range(16))
KEKS = [bytes([size]) * size for size in (16, 24, 32)]
P256, X25519 = ec.derive_private_key(7, ec.SECP256R1()), x25519.X25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = ec.derive_private_key(8, ec.SECP256R1())


def sealed(key: Any, **others: Any) -> list[Any]:
    """As it comes over the wire: through its encoding."""
    item: list[Any] = cbor.decode(cbor.encode(SealedFor(key, **others).wrap(SECRET)))
    return item


def reason_of(items: list[Any], key: RecipientKey) -> CoseReason:
    with pytest.raises(CoseError) as caught:
        unwrap(parse_recipients(items), key)
    return caught.value.reason


@pytest.mark.parametrize("context", [b"", b"a profile's"])
@pytest.mark.parametrize("key", [*KEKS, P256, X25519], ids=["16", "24", "32", "P-256", "X25519"])
def test_whom_it_is_for_opens_it(key: Any, context: bytes) -> None:
    public = key if isinstance(key, bytes) else key.public_key()
    recipients = [
        sealed(KEKS[0], kid=b"first"),
        sealed(OTHER.public_key()),
        sealed(public, kid=b"own", context=context),
    ]
    for kid in (None, b"own"):
        assert unwrap(parse_recipients(recipients), RecipientKey(key, kid, context)) == SECRET
    assert reason_of(recipients[2:], RecipientKey(key, b"another", context)) is CoseReason.RECIPIENT
    if not isinstance(key, bytes):
        assert reason_of(recipients[2:], RecipientKey(key, b"own", b"other context")) is CoseReason.RECIPIENT


def changed(change: Callable[[list[Any]], object], key: Any = P256) -> list[Any]:
    item = sealed(key if isinstance(key, bytes) else key.public_key())
    change(item)
    return item


def ephemeral(**parameters: Any) -> list[Any]:
    """A recipient whose ephemeral key is another one; names are those of the registry."""
    new = {KeyParameter[name]: value for name, value in parameters.items()}
    return changed(lambda item: item[1][Header.EPHEMERAL_KEY].update(new))


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (changed(lambda item: item.__setitem__(0, cbor.encode({16: 1})), KEKS[0]), CoseReason.PROTECTED_HEADER),
        (changed(lambda item: item[1].update({1: -99}), KEKS[0]), CoseReason.ALGORITHM),
        (changed(lambda item: item[1].pop(1), KEKS[0]), CoseReason.ALGORITHM),
        (changed(lambda item: item.__setitem__(2, bytes(7)), KEKS[0]), CoseReason.RECIPIENT),
        (changed(lambda item: item.__setitem__(2, bytes(24))), CoseReason.RECIPIENT),
        (changed(lambda item: item[1].pop(-1)), CoseReason.KEY),
        (changed(lambda item: item[1].update({-1: b"x"})), CoseReason.KEY),
        (ephemeral(X=None), CoseReason.KEY),
        (ephemeral(X=bytes(31)), CoseReason.KEY),
        (ephemeral(Y=bytes(32)), CoseReason.KEY),
        (ephemeral(Y=None), CoseReason.KEY),
        (ephemeral(CRV=int(Curve.P_384)), CoseReason.KEY),
        (ephemeral(KTY=int(KeyType.OKP), CRV=int(Curve.X25519)), CoseReason.KEY),
    ],
)
def test_what_cannot_be_opened(item: list[Any], reason: CoseReason) -> None:
    """And it keeps nobody from opening what stands beside it."""
    assert reason_of([item], RecipientKey(P256)) is reason
    assert unwrap(parse_recipients([item, sealed(P256.public_key())]), RecipientKey(P256)) == SECRET


def test_no_header_stands_twice() -> None:
    item = changed(lambda item: item.__setitem__(0, cbor.encode({1: -3})), KEKS[0])
    assert reason_of([item], RecipientKey(KEKS[0])) is CoseReason.UNPROTECTED_HEADER


def test_a_point_may_come_compressed() -> None:
    numbers = OTHER.public_key().public_numbers()
    item = sealed(P256.public_key())
    item[1][Header.EPHEMERAL_KEY][KeyParameter.X] = numbers.x.to_bytes(32, "big")
    item[1][Header.EPHEMERAL_KEY][KeyParameter.Y] = bool(numbers.y % 2)
    assert reason_of([item], RecipientKey(P256)) is CoseReason.RECIPIENT


def test_a_point_of_small_order_gives_no_secret() -> None:
    item = sealed(X25519.public_key())
    item[1][Header.EPHEMERAL_KEY][KeyParameter.X] = bytes(32)
    assert reason_of([item], RecipientKey(X25519)) is CoseReason.KEY


@pytest.mark.parametrize("key", [bytes(15), ec.derive_private_key(7, ec.SECP384R1()).public_key()])
def test_for_whom_nothing_is_sealed(key: Any) -> None:
    with pytest.raises(CoseError) as caught:
        SealedFor(key).wrap(SECRET)
    assert caught.value.reason is CoseReason.KEY


@pytest.mark.parametrize(
    "items", [[], [[b"", {}, bytes(24)]] * (MAX_RECIPIENTS + 1), [1], [[b"", {}]], [[b"", {}, None]]]
)
def test_what_are_no_recipients(items: list[Any]) -> None:
    with pytest.raises(CoseError) as caught:
        parse_recipients(items)
    assert caught.value.reason is CoseReason.STRUCTURE


def test_the_algorithm_of_an_agreement_is_protected() -> None:
    item = sealed(P256.public_key())
    assert cbor.decode(item[0]) == {Header.ALG: Algorithm.ECDH_ES_A128KW}
    item[0] = cbor.encode({1: int(Algorithm.ECDH_ES_A256KW)})
    assert reason_of([item], RecipientKey(P256)) is CoseReason.RECIPIENT
