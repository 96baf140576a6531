"""Private keys that stay in a PKCS#11 token, named by a `pkcs11:` URI (RFC 7512).

    pkcs11:token=signing;object=firmware?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/keys/signing.pin

The token signs; the key never leaves it. The PIN comes from a file that only its owner can read: never from the URI,
which other users of the machine may see.
"""

from __future__ import annotations

import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NoReturn, Self
from urllib.parse import unquote, unquote_to_bytes

import pkcs11
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from pkcs11.exceptions import PKCS11Error, UserAlreadyLoggedIn
from pkcs11.util.ec import encode_ec_public_key

from cose.keys import UnusableKey, read_private

SCHEME: Final = "pkcs11:"
_PATH: Final = {"token": "token_label", "serial": "token_serial"}
"""What of the URI's path selects the token."""
_PATH_KEYS: Final = frozenset({*_PATH, "object", "id", "type"})
_QUERY_KEYS: Final = frozenset({"module-path", "pin-source"})
_TOKENS: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokens")
"""Tokens have one thread. A session signs one thing at a time; and a token in software, such as SoftHSM, shares OpenSSL
with `ssl`, which would take the errors that the token left in a thread's queue for its own.
"""


class TokenKey(ec.EllipticCurvePrivateKey):
    """An elliptic-curve key in a token, where any other key can be used to sign."""

    def __init__(self, session: pkcs11.Session, handle: Any, public: ec.EllipticCurvePublicKey) -> None:
        self._session, self._handle, self._public = session, handle, public
        self._end = weakref.finalize(self, _TOKENS.submit, session.close)
        self._end.atexit = False  # the session ends with the process anyway

    def close(self) -> None:
        """End the session; the key signs no more. A token logs out with the last session of a process."""
        ending = self._end()
        if ending is not None:
            ending.result()

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """ECDSA as DER, as every elliptic-curve key gives it. Raises `UnusableKey` when the token does not sign."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            digest = bytes(data)
        else:
            hashing = hashes.Hash(algorithm)
            hashing.update(data)
            digest = hashing.finalize()
        try:
            raw: bytes = _TOKENS.submit(self._handle.sign, digest, mechanism=pkcs11.Mechanism.ECDSA).result()
        except PKCS11Error as error:
            raise UnusableKey(f"the token does not sign ({_reason(error)}); allow the key to be used for it") from error
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        raise UnsupportedAlgorithm("a token's key signs; it agrees on no keys here")

    def private_numbers(self) -> NoReturn:
        raise UnsupportedAlgorithm("the key does not leave its token")

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> NoReturn:
        raise UnsupportedAlgorithm("the key does not leave its token")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> Self:
        return self


def load_token_key(uri: str) -> TokenKey:
    """The private key a `pkcs11:` URI names. Its session is open until `close`, or until nobody has the key any more.

    Raises `UnusableKey` with the remedy: for a URI that is none, an unknown attribute, a PIN in the URI, a module that
    cannot be loaded, a token, PIN or key that is not there or not the only one; `OSError` for the PIN's file.
    """
    path, query = _attributes(uri)
    module = query.get("module-path")
    if module is None:
        raise UnusableKey(f"{uri} names no module; append ?module-path= and the path of the token's PKCS#11 library")
    where = {name: unquote(path[key]) for key, name in _PATH.items() if key in path}
    what: dict[str, Any] = {}
    if "object" in path:
        what["label"] = unquote(path["object"])
    if "id" in path:
        what["id"] = unquote_to_bytes(path["id"])
    if not where or not what:
        raise UnusableKey(f"{uri} does not say which key: name token= (or serial=) and object= (or id=)")
    pin = _pin(query)
    try:
        return _TOKENS.submit(_found, unquote(module), where, what, pin).result()
    except (PKCS11Error, RuntimeError) as error:
        raise UnusableKey(f"{uri} cannot be used: {_reason(error)}") from error


def _found(module: str, where: dict[str, Any], what: dict[str, Any], pin: str | None) -> TokenKey:
    session = _session(pkcs11.lib(module).get_token(**where), pin)
    try:
        return _key(session, what)
    except BaseException:
        session.close()
        raise


def _session(token: pkcs11.Token, pin: str | None) -> pkcs11.Session:
    try:
        return token.open(user_pin=pin)
    except UserAlreadyLoggedIn:
        # A token knows processes, not sessions: another key of it is in use here.
        return token.open()


def _key(session: pkcs11.Session, what: dict[str, Any]) -> TokenKey:
    handle: Any = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, **what)
    public: Any = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, **what)
    if handle.key_type is not pkcs11.KeyType.EC:
        raise UnusableKey("the token's key is not on an elliptic curve; make one on P-256 there")
    key = serialization.load_der_public_key(encode_ec_public_key(public))
    assert isinstance(key, ec.EllipticCurvePublicKey), "of that key type"
    return TokenKey(session, handle, key)


def _attributes(uri: str) -> tuple[dict[str, str], dict[str, str]]:
    """Path and query attributes, still percent-encoded."""
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    found = _pairs(uri, path, ";", _PATH_KEYS), _pairs(uri, query, "&", _QUERY_KEYS)
    if found[0].get("type", "private") != "private":
        raise UnusableKey(f"{uri} names another type of object; a private key is needed: type=private, or none")
    return found


def _pairs(uri: str, text: str, separator: str, known: frozenset[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in filter(None, text.split(separator)):
        name, equals, value = pair.partition("=")
        if name == "pin-value":
            raise UnusableKey("the PIN must not stand in the URI; put it into a file (0600) and name that: pin-source=")
        if not equals or name not in known or name in pairs:
            raise UnusableKey(f"{uri}: {name} cannot be used; known are {', '.join(sorted(known))}, each once")
        pairs[name] = value
    return pairs


def _pin(query: dict[str, str]) -> str | None:
    source = query.get("pin-source")
    if source is None:
        return None
    path = Path(unquote(source).removeprefix("file:"))
    try:
        return read_private(path).decode().strip()
    except UnicodeDecodeError:
        raise UnusableKey(f"{path} does not hold a PIN as text") from None


def _reason(error: Exception) -> str:
    """What PKCS#11 says, as words: its errors are classes, most of them without a text."""
    name = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(error).__name__).strip()
    return str(error) or name
