"""What a device is bootstrapped with: its accounts at servers, and who may access what (LwM2M Core 1.2, 6.1.6).

A profile names accounts, not object instances: which instance numbers are free is for the device's own list to say.
In JSON, byte strings are hex:

{"accounts": [{"uri": "coaps://dm.example:5684", "short_server_id": 101,
               "security": {"mode": "psk", "identity": "dev-1", "key": "00112233445566778899aabbccddeeff"}}]}
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

MAX_PROFILE: Final = 64 * 1024
"""Bytes of a profile's JSON."""
MAX_ACCOUNTS: Final = 16
SHORTEST_PSK: Final = 16
"""Bytes of a pre-shared key (security rule 30)."""
_HIDDEN: Final = "hidden"


class InvalidProfile(ValueError):
    """A profile that cannot be used; the text names the entry and the rule."""


def _bytes(value: object) -> object:
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError:
            raise ValueError("write bytes in hex") from None
    return value


HexBytes = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(bytes.hex, when_used="json")]
Identifier = Annotated[HexBytes, Field(max_length=7)]
"""An OSCORE Sender or Recipient ID: at most the AEAD's nonce length less 6 (RFC 8613 section 3.3)."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NoSecurity(_Part):
    """Neither DTLS nor OSCORE: for laboratories."""

    mode: Literal["nosec"] = "nosec"


class PreSharedKey(_Part):
    """DTLS with a pre-shared key. Without identity and key the device's own credential in the store is used."""

    mode: Literal["psk"] = "psk"
    identity: str | None = Field(default=None, min_length=1, max_length=128)
    key: HexBytes | None = Field(default=None, min_length=SHORTEST_PSK, max_length=64, repr=False)

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.identity is None) != (self.key is None):
            raise ValueError("give identity and key, or neither to use the device's own credential")
        return self


class Certificate(_Part):
    """DTLS with certificates: the device's with its private key (PKCS#8), and the server's or its CA's. All DER."""

    mode: Literal["x509"] = "x509"
    certificate: HexBytes = Field(max_length=8192)
    private_key: HexBytes = Field(max_length=4096, repr=False)
    server_certificate: HexBytes = Field(max_length=8192)


class CertificateByEst(_Part):
    """DTLS with a certificate the device enrolls for by EST; `server_certificate` (DER) authenticates the server."""

    mode: Literal["est"] = "est"
    server_certificate: HexBytes = Field(default=b"", max_length=8192)


class Oscore(_Part):
    """OSCORE with a master secret both sides know (RFC 8613; object 21). Algorithms are COSE's numbers.

    `sender_id` is the device's. Without secret and identifiers the device's own context in the store is used, as it
    must be where the profile is for more than one device: what two devices share would be encrypted under one nonce.
    """

    mode: Literal["oscore"] = "oscore"
    master_secret: HexBytes | None = Field(default=None, min_length=SHORTEST_PSK, max_length=64, repr=False)
    sender_id: Identifier | None = None
    recipient_id: Identifier | None = None
    aead: int = 10
    hmac: int = 5
    master_salt: HexBytes = b""
    id_context: HexBytes = b""

    @model_validator(mode="after")
    def _two_identifiers(self) -> Self:
        given = [value is not None for value in (self.master_secret, self.sender_id, self.recipient_id)]
        if any(given) and not all(given):
            raise ValueError("give master_secret, sender_id and recipient_id, or none to use the device's own context")
        if all(given) and self.sender_id == self.recipient_id:
            raise ValueError("sender_id and recipient_id must differ (RFC 8613 section 3.3)")
        return self


Security = Annotated[NoSecurity | PreSharedKey | Certificate | CertificateByEst | Oscore, Field(discriminator="mode")]
_SCHEMES: Final = {
    NoSecurity: ("coap", "coap+tcp"),
    PreSharedKey: ("coaps", "coaps+tcp"),
    Certificate: ("coaps", "coaps+tcp"),
    CertificateByEst: ("coaps", "coaps+tcp"),
    Oscore: ("coap", "coap+tcp"),
}


class Account(_Part):
    """One server the device is to use: an instance of Security, one of Server, with OSCORE one of OSCORE."""

    uri: str = Field(min_length=1, max_length=255)
    short_server_id: int = Field(ge=1, le=65534)
    security: Security
    lifetime: int = Field(default=86400, ge=1, le=2**31 - 1)
    binding: str = Field(default="U", pattern=r"^[UTSNHMQ]{1,8}$")
    store_notifications: bool = False
    hold_off: int | None = Field(default=None, ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _scheme_fits(self) -> Self:
        address = urlsplit(self.uri)
        wanted = _SCHEMES[type(self.security)]
        if address.scheme not in wanted or not address.hostname or address.username or address.query:
            raise ValueError(f"with security {self.security.mode!r} a uri is {wanted[0]}://host[:port]")
        return self


class AccessControl(_Part):
    """Who owns an object instance and what other servers may do with it (object 2): bits by short server id."""

    object_id: int = Field(ge=1, le=65534)
    object_instance_id: int = Field(ge=0, le=65535)
    owner: int = Field(ge=0, le=65535)
    rights: dict[int, Annotated[int, Field(ge=0, le=31)]] = Field(default_factory=dict, max_length=MAX_ACCOUNTS)


class Profile(_Part):
    """Everything one device gets. Accounts that it has now and that are not named here end at Bootstrap-Finish."""

    accounts: tuple[Account, ...] = Field(min_length=1, max_length=MAX_ACCOUNTS)
    access_control: tuple[AccessControl, ...] = Field(default=(), max_length=256)

    @model_validator(mode="after")
    def _short_ids_differ(self) -> Self:
        numbers = [account.short_server_id for account in self.accounts]
        if len(set(numbers)) != len(numbers):
            raise ValueError("each account has a short_server_id of its own")
        return self

    @classmethod
    def parse(cls, text: str | bytes) -> Profile:
        """From JSON. Raises `InvalidProfile`, which never quotes a value: it may be a key."""
        if len(text) > MAX_PROFILE:
            raise InvalidProfile(f"a profile has at most {MAX_PROFILE} bytes")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'profile'}: {e['msg']}" for e in error.errors())
            raise InvalidProfile(wrong[:1000]) from None

    def to_json(self) -> str:
        """As it is stored, keys included."""
        return self.model_dump_json(exclude_defaults=False)

    def view(self) -> dict[str, Any]:
        """For people: everything but the keys."""
        shown = self.model_dump(mode="json")
        for account in shown["accounts"]:
            for name in ("key", "private_key", "master_secret"):
                if account["security"].get(name) is not None:
                    account["security"][name] = _HIDDEN
        return shown

    @property
    def needs_credential(self) -> bool:
        """Whether an account uses the device's own pre-shared key."""
        return any(isinstance(one.security, PreSharedKey) and one.security.key is None for one in self.accounts)

    @property
    def needs_context(self) -> bool:
        """Whether an account uses the device's own OSCORE context."""
        return any(isinstance(one.security, Oscore) and one.security.master_secret is None for one in self.accounts)

    def with_credential(self, identity: str, key: bytes) -> Profile:
        """With the device's own pre-shared key in every account that uses it."""
        return self._with(PreSharedKey(), PreSharedKey(identity=identity, key=key))

    def with_context(self, context: Oscore) -> Profile:
        """With the device's own OSCORE context in every account that uses it."""
        return self._with(Oscore(), context)

    def _with(self, placeholder: PreSharedKey | Oscore, own: PreSharedKey | Oscore) -> Profile:
        accounts = tuple(
            account.model_copy(update={"security": own}) if account.security == placeholder else account
            for account in self.accounts
        )
        return self.model_copy(update={"accounts": accounts})
