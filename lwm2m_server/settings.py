"""The settings of `lwm2m-server serve`: one TOML file, each value overridable by `LWM2M_SERVER_…`.

Addresses to bind and URIs to announce are separate settings, because something may stand between devices and server.
Times are seconds. Relative paths are taken from the settings file's folder.
"""

from __future__ import annotations

import tomllib
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from device_pki.revocation_check import FailurePolicy


class SettingsError(Exception):
    """The settings file cannot be used; the text says which line of it, and what it should be."""


class Address(NamedTuple):
    """Where to listen: `host:port` or `[ipv6]:port`; port 0 lets the system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, value: object) -> Address:
        """Parse the text form; raises ValueError."""
        if isinstance(value, Address):
            return value
        host, colon, port = str(value).rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535 or not host:
            raise ValueError(f'{value!r} is no address: write "host:port", for example "127.0.0.1:5684"')
        return cls(host.removeprefix("[").removesuffix("]"), int(port))


LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
BindAddress = Annotated[Address, BeforeValidator(Address.parse)]
_folder: ContextVar[Path] = ContextVar("_folder", default=Path())
LocalPath = Annotated[Path, AfterValidator(lambda path: _folder.get() / path)]
"""A path; a relative one starts in the settings file's folder."""


class Role(StrEnum):
    """What this process is."""

    DEVICE_MANAGEMENT = "dm"
    SERVICE_PROVIDER = "sp"
    CERTIFICATION_AUTHORITY = "ca"


class EndpointRule(StrEnum):
    """Which endpoint names a device with an identity may register."""

    CERTIFICATE = "certificate"
    """The name in its certificate, or the one its pre-shared key was stored for."""
    ANY = "any"
    """Any name that nobody else has registered."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CoapSettings(_Section):
    """CoAP transmission parameters (RFC 7252 4.8)."""

    ack_timeout: float = Field(default=2.0, gt=0, le=60)
    """Seconds before the first retransmission."""
    max_retransmit: int = Field(default=4, ge=0, le=10)
    """Retransmissions of one confirmable message."""


class RegistrationSettings(_Section):
    """Bounds of the registration interface; 0 is no limit, for laboratories and measurements."""

    registrations_per_minute: int = Field(default=10, ge=0)
    """Registrations of one identity in a minute; without security, of one endpoint name."""
    endpoints_per_minute: int = Field(default=6000, ge=0)
    """New endpoint names from one IP address in a minute."""
    registrations_per_address: int = Field(default=100_000, ge=0)
    """Registered devices behind one IP address."""
    max_registrations: int = Field(default=1_000_000, ge=0)
    """Registered devices in all."""


MAX_IMAGE = 1024 * 1024 * 1024
"""Bytes: no image is larger, whatever the settings say (CoAP: 2^20 blocks of 1,024 bytes)."""


class QueueSettings(_Section):
    """What waits for devices that sleep."""

    awake_time: float = Field(default=93, gt=0)
    """Seconds a device in queue mode listens after its last message; 93: MAX_TRANSMIT_WAIT, unless devices differ."""
    max_entries: int = Field(default=64, ge=1)
    """Operations that wait for one device."""
    max_bytes: int = Field(default=256 * 1024, ge=1024)
    """Their size together."""
    default_expiry: float = Field(default=7 * 86400, gt=0)
    """Seconds an operation waits when its author names no time."""
    keep_outcomes_days: float = Field(default=30, gt=0)
    """How long outcomes can be asked for."""


class FirmwareSettings(_Section):
    """Images of firmware, and bringing them to devices."""

    max_image: int = Field(default=64 * 1024 * 1024, ge=1, le=MAX_IMAGE)
    """Bytes of the largest image."""
    concurrent: int = Field(default=100, ge=1)
    """Images pushed at the same time; the other devices wait."""
    attempts: int = Field(default=3, ge=1)
    """Transfers begun for one update, before it fails."""
    stall_timeout: float = Field(default=600, gt=0)
    """Seconds without progress after which a transfer is begun again."""
    install_timeout: float = Field(default=3600, gt=0)
    """Seconds from Update to its outcome."""
    coap_uri: str = ""
    """What URIs begin with for devices that fetch without security: `coap://host:port`; empty: none are given."""
    coaps_uri: str = ""
    """The same over DTLS: `coaps://host:port`."""
    coap_tcp_uri: str = ""
    """The same over TCP: `coap+tcp://host:port`."""
    coaps_tcp_uri: str = ""
    """The same over TLS: `coaps+tcp://host:port`."""
    http_bind: BindAddress | None = None
    """TCP address of a listener for devices that fetch by HTTP; over TLS when it has a certificate."""
    http_uri: str = ""
    """What their URIs begin with: `https://host:port`, or `http://host:port` without a certificate."""
    http_certificate: LocalPath | None = None
    """The listener's certificate and the CAs above it, PEM."""
    http_key: LocalPath | None = None
    """Its private key, PEM, mode 0600."""
    keep_days: float = Field(default=90, gt=0)
    """How long updates that have ended can be looked at."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.http_certificate is None) is not (self.http_key is None):
            raise ValueError("http_certificate and http_key go together")
        scheme = "http" if self.http_certificate is None else "https"
        if (self.http_bind is None) is not (self.http_uri == "") or not _begins(self.http_uri, scheme):
            raise ValueError(f"http_bind and http_uri go together; the URI begins with {scheme}://")
        for name in ("coap", "coaps", "coap_tcp", "coaps_tcp"):
            if not _begins(getattr(self, f"{name}_uri"), name.replace("_", "+")):
                raise ValueError(f"{name}_uri begins with {name.replace('_', '+')}://")
        return self


def _begins(uri: str, scheme: str) -> bool:
    return uri == "" or uri.startswith(f"{scheme}://")


class StepCaSettings(_Section):
    """A step-ca that issues the certificates; this role is a registration authority for it."""

    api: str
    """Base URI of step-ca: `https://host:port`."""
    provisioner: str
    """Name of the X5C provisioner that knows the certificate in `<data>/ra.pem`."""
    root: LocalPath
    """PEM certificate of the root that step-ca's own TLS certificate is beneath."""
    distribution_point: str
    """What step-ca's revocation list says it is the list of: `https://host/1.0/crl`, with its first `dnsNames`."""


class EstUpstreamSettings(_Section):
    """An EST server elsewhere that issues the certificates; this role is a registration authority for it."""

    api: str
    """Base URI of the EST server: `https://host:port`. It knows the certificate in `<data>/ra.pem`."""
    label: str | None = None
    """The path segment after `/.well-known/est/`, if it wants one."""
    root: LocalPath
    """PEM certificate of the root that the server's own TLS certificate is beneath."""
    crl: str = Field(pattern=r"^https?://")
    """Where the CA's revocation list is. What is revoked here counts once that list says so."""
    distribution_point: str = ""
    """What that list says it is the list of, if it does."""


class OcspSettings(_Section):
    """An OCSP responder that answers for one CA."""

    issuer: LocalPath
    """PEM certificate of the CA."""
    url: str = Field(pattern=r"^https?://")
    """Where it is asked, by POST. URLs in certificates are not looked at."""


def _require_oscore_uri(bind: Address | None, uri: str) -> None:
    """Raise ValueError unless both are there or neither."""
    if (bind is None) is not (uri == "") or not _begins(uri, "coap"):
        raise ValueError("oscore_bind and oscore_uri go together; the URI begins with coap://")


class CaSettings(_Section):
    """A certification authority: EST over DTLS for devices, the CA API over HTTPS for service providers."""

    name: str
    """The CA's name in logs."""
    data: LocalPath
    """Folder of keys, certificates and database."""
    bind: BindAddress = Address("127.0.0.1", 5685)
    """UDP address of the EST server."""
    public_uri: str
    """What devices are told: `coaps://host:port`; CA-URIs begin with it."""
    oscore_bind: BindAddress | None = None
    """UDP address of the EST server for the compact profile: OSCORE with keys from EDHOC."""
    oscore_uri: str = ""
    """What devices of that profile are told: `coap://host:port`."""
    oscore_reference: bool = False
    """Name the EST server's certificate in EDHOC by its hash instead of sending it, which saves 180 bytes: for devices
    that hold it already, among the trust anchors they were given (33002/6)."""
    api_bind: BindAddress = Address("127.0.0.1", 8444)
    """TCP address of the CA API."""
    est_https_bind: BindAddress | None = None
    """TCP address of EST over HTTPS (RFC 7030), for clients with TLS; without one there is none."""
    status_bind: BindAddress | None = None
    """TCP address of plain HTTP where anybody may fetch the revocation list and ask OCSP: `/crl`, `/ocsp`."""
    ocsp_lifetime: float = Field(default=300, ge=60, le=7 * 86400)
    """Seconds an OCSP answer stays fresh."""
    peers: dict[str, LocalPath] = Field(default_factory=dict)
    """Who may call the CA API: name and TLS certificate (PEM, pinned) of each service provider."""
    permanent_anchors: tuple[LocalPath, ...] = ()
    """PEM certificates: the permanent CA whose factory certificates may enroll here."""
    permanent_crls: tuple[LocalPath, ...] = ()
    """Its revocation lists, PEM or DER, read again when they change. Without them and `permanent_ocsp` no factory
    certificate is revoked."""
    permanent_ocsp: tuple[OcspSettings, ...] = ()
    """OCSP responders for factory certificates."""
    certificate_days: float = Field(default=90, gt=0)
    """Lifetime of an operational certificate, days."""
    crl_interval: float = Field(default=60, gt=0)
    """Seconds between two CRLs when nothing was revoked."""
    crl_lifetime: float = Field(default=86400, gt=0)
    """Seconds a CRL stays fresh."""
    step_ca: StepCaSettings | None = None
    """The authority when it is a step-ca; without it the role issues itself, with the key of its folder."""
    est_upstream: EstUpstreamSettings | None = None
    """The authority when it is an EST server."""
    coap: CoapSettings = CoapSettings()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _require_oscore_uri(self.oscore_bind, self.oscore_uri)
        if self.step_ca is not None and self.est_upstream is not None:
            raise ValueError("one authority issues: name step_ca or est_upstream")
        return self


class CaClientSettings(_Section):
    """The CA this service provider works with."""

    api: str
    """Base URI of the CA API: `https://host:port`."""
    certificate: LocalPath
    """The CA API's TLS certificate (PEM, pinned)."""
    public_uri: str
    """Where the CA's EST server is for devices: `coaps://host:port`; CA-URIs are only believed beneath it."""
    oscore_uri: str = ""
    """The same for devices of the compact profile: `coap://host:port`; empty: this CA is not known to serve them."""
    backdate: int = Field(default=300, ge=0)
    """Seconds by which the CA sets notBefore before the moment of issue; the built-in CA: 300."""
    ocsp: str = Field(default="", pattern=r"^(https?://.*)?$")
    """URL of the CA's OCSP responder, asked about whom its list says nothing fresh."""
    crl_distribution_point: str = ""
    """What the CA's list says it is the list of, if it does; a list of any other part of its revocations is refused."""
    label: UUID
    """This provider's label for devices its operator adds: any UUID, never changed. Received devices get their own."""


class SpSettings(_Section):
    """A service provider: LwM2M over DTLS for devices, partner API for other providers, admin API for its operator."""

    name: str
    """The provider's name: `iss` of what it signs, and what its partners call it."""
    data: LocalPath
    """Folder of keys, certificates and database."""
    bind: BindAddress = Address("127.0.0.1", 5684)
    """UDP address of the LwM2M server."""
    public_uri: str
    """What devices are told: `coaps://host:port`; becomes the fallbackURI or updateURI of a transfer."""
    oscore_bind: BindAddress | None = None
    """UDP address of the LwM2M server for the compact profile: OSCORE with keys from EDHOC."""
    oscore_uri: str = ""
    """What devices of that profile are told: `coap://host:port`."""
    partner_bind: BindAddress = Address("127.0.0.1", 8443)
    """TCP address of the partner API."""
    admin_bind: BindAddress = Address("127.0.0.1", 8080)
    """TCP address of the admin API; loopback only."""
    operational_anchors: tuple[LocalPath, ...] = Field(min_length=1)
    """PEM certificates of the operational CA whose devices log in here; an intermediate CA is a complete anchor."""
    permanent_anchors: tuple[LocalPath, ...] = Field(min_length=1)
    """PEM certificates of the permanent CA whose factory certificates are believed; devices keep the first."""
    permanent_crls: tuple[LocalPath, ...] = ()
    """Revocation lists of the permanent CA, PEM or DER, read again when they change. Without them and `permanent_ocsp`
    no factory certificate is revoked."""
    permanent_ocsp: tuple[OcspSettings, ...] = ()
    """OCSP responders for factory certificates."""
    ca: CaClientSettings
    crl_refresh: float = Field(default=20, gt=0, le=60)
    """Seconds between two fetches of the CA's CRL; a revoked device is shut out within this time."""
    lab: bool = False
    """Allow loopback and link-local URIs in transfers."""
    batch_delay: float = Field(default=0.2, ge=0, le=60)
    """Seconds a receipt or release waits for others to travel in the same document."""
    retry_max: float = Field(default=30, gt=0)
    """Longest pause, seconds, between two tries of a duty towards a partner, CA or device."""
    registration: RegistrationSettings = RegistrationSettings()
    queue: QueueSettings = QueueSettings()
    firmware: FirmwareSettings = FirmwareSettings()
    coap: CoapSettings = CoapSettings()

    @model_validator(mode="after")
    def _loopback_only(self) -> Self:
        if self.admin_bind.host not in LOOPBACK:
            raise ValueError("admin_bind must be a loopback address: the admin API has a bearer token and no TLS")
        _require_oscore_uri(self.oscore_bind, self.oscore_uri)
        return self


class DmSettings(_Section):
    """A plain device-management server: LwM2M for devices with keys, certificates or (on loopback) neither."""

    data: LocalPath
    """Folder of the database and, unless named below, of the server's key and certificate."""
    nosec_bind: BindAddress | None = None
    """UDP address without security; a loopback address."""
    nosec_anywhere: bool = False
    """Allow any address for `nosec_bind` and `tcp_bind`. Who reaches it may be any device without a key."""
    dtls_bind: BindAddress | None = Address("127.0.0.1", 5684)
    """UDP address with DTLS."""
    oscore_bind: BindAddress | None = None
    """UDP address with OSCORE, for devices with an OSCORE context in the store, or a certificate and EDHOC."""
    tcp_bind: BindAddress | None = None
    """TCP address without security (RFC 8323); a loopback address."""
    tls_bind: BindAddress | None = None
    """TCP address with TLS, for devices with certificates."""
    admin_bind: BindAddress = Address("127.0.0.1", 8080)
    """TCP address of the admin API; loopback only."""
    certificate: LocalPath | None = None
    """The server's certificate and the CAs above it, PEM. Default: `<data>/certificates/dtls.pem`, if it is there."""
    key: LocalPath | None = None
    """Its private key, PEM, P-256, mode 0600. Default: `<data>/keys/dtls.pem`."""
    device_anchors: tuple[LocalPath, ...] = ()
    """PEM certificates of the CAs whose device certificates are believed. Without any, only pre-shared keys count."""
    device_crls: tuple[LocalPath, ...] = ()
    """Their revocation lists, PEM or DER: one of each, read again when they change. Without any, nothing is revoked."""
    device_ocsp: tuple[OcspSettings, ...] = ()
    """OCSP responders of these CAs; for those a list is optional."""
    revocation_failure: FailurePolicy = FailurePolicy.HARD
    """What becomes of a device of whose certificate no source says that it is good or revoked: `hard`, it is refused
    until one does; `soft`, it is let in."""
    device_crl_points: tuple[str, ...] = ()
    """What lists may say they are the list of (RFC 5280 5.2.5): URIs of CAs that publish one list, and all in it."""
    endpoint_rule: EndpointRule = EndpointRule.CERTIFICATE
    """What a device with an identity may call itself: `certificate`, that name only; `any`, whatever is free."""
    definitions: LocalPath | None = None
    """Folder of further object definitions (XML); they come before the built-in ones."""
    firmware_authorities: tuple[LocalPath, ...] = ()
    """Public keys (PEM) of those whose signed SUIT manifests are taken. Without any, none is."""
    registration: RegistrationSettings = RegistrationSettings()
    queue: QueueSettings = QueueSettings()
    firmware: FirmwareSettings = FirmwareSettings()
    coap: CoapSettings = CoapSettings()

    @model_validator(mode="after")
    def _reachable_and_safe(self) -> Self:
        if self.admin_bind.host not in LOOPBACK:
            raise ValueError("admin_bind must be a loopback address: the admin API has a bearer token and no TLS")
        if (self.device_crls or self.device_ocsp) and not self.device_anchors:
            raise ValueError("device_crls and device_ocsp need the CAs they are of: name those in device_anchors")
        open_to_all = {"nosec_bind": self.nosec_bind, "tcp_bind": self.tcp_bind}
        if not any((*open_to_all.values(), self.dtls_bind, self.oscore_bind, self.tls_bind)):
            raise ValueError("devices need an address: nosec_bind, dtls_bind, oscore_bind, tcp_bind or tls_bind")
        for name, address in open_to_all.items():
            if address is not None and address.host not in LOOPBACK and not self.nosec_anywhere:
                raise ValueError(f"{name} must be a loopback address, or set nosec_anywhere = true")
        return self


class Settings(BaseSettings):
    """The whole file."""

    model_config = SettingsConfigDict(
        env_prefix="LWM2M_SERVER_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    roles: tuple[Role, ...] = Field(min_length=1)
    """What to run: `["dm"]`, `["sp"]`, `["ca"]` or several of them."""
    dm: DmSettings | None = None
    sp: SpSettings | None = None
    ca: CaSettings | None = None

    @model_validator(mode="after")
    def _section_per_role(self) -> Self:
        for role in self.roles:
            if getattr(self, role.value) is None:
                raise ValueError(f'roles names "{role.value}", but the file has no section [{role.value}]')
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file, and nothing else."""
        return env_settings, init_settings


def load_settings(path: Path) -> Settings:
    """Read the TOML file; raises `SettingsError`, which names every wrong value."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}; give the settings file by --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML file: {error}") from error
    token = _folder.set(path.parent.resolve())
    try:
        return Settings(**values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"{path}: {wrong}") from error
    finally:
        _folder.reset(token)
