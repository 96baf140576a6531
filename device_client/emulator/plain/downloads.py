"""Where a Package URI leads: a CoAP server reached by the account's own credentials, or a web server."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from device_client.emulator.lwm2m.firmware.fetching import CoapSource, HttpSource, Source, parse_uri
from device_client.emulator.lwm2m.firmware.packages import PackageRefused
from device_client.emulator.plain.accounts import Account, SecurityMode
from device_client.emulator.plain.sessions import ANCHOR_USAGES, open_session
from device_client.emulator.plain.settings import PORTS, ClientSettings, check_uri, is_loopback
from device_client.emulator.transport.coap import CoapSession
from device_client.emulator.transport.wire import WireMeter
from objects.firmware import UpdateResult


class Downloads:
    """Opens the sources of packages for one device."""

    def __init__(self, account: Callable[[], Account | None], settings: ClientSettings, meter: WireMeter) -> None:
        """`account` is the one whose credentials count: the device's first server's."""
        self._account = account
        self._settings = settings
        self._meter = meter

    def source(self, uri: str) -> Source:
        """Raises PackageRefused: INVALID_URI for a place this device may not go to, UNSUPPORTED_PROTOCOL."""
        parts = parse_uri(uri)
        account = self._account()
        host = parts.hostname or ""
        if parts.scheme in PORTS:
            if account is None:
                raise PackageRefused(UpdateResult.INVALID_URI, "the device has no account to go there with")
            origin = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{parts.port or PORTS[parts.scheme]}"
            there = _account_there(account, parts.scheme, origin)
            try:
                check_uri(origin, there.mode, insecure=self._settings.insecure)
            except ValueError as error:
                raise PackageRefused(UpdateResult.INVALID_URI, str(error)) from error
            return CoapSource(parts, lambda: self._open(there))
        if parts.scheme == "http" and not self._settings.insecure and not is_loopback(host):
            raise PackageRefused(UpdateResult.INVALID_URI, "unprotected, and not on this machine")
        return HttpSource(uri, _anchors(account))

    async def _open(self, account: Account) -> CoapSession:
        return await open_session(account, self._settings.run, self._meter, None, insecure=self._settings.insecure)


def _account_there(account: Account, scheme: str, origin: str) -> Account:
    mode = SecurityMode.NO_SEC if scheme == "coap" else account.mode
    return replace(account, uri=origin, mode=mode)


def _anchors(account: Account | None) -> ssl.SSLContext | bool:
    """A web server is judged by the account's anchor where it has one, else by the machine's."""
    if account is None or account.mode != SecurityMode.CERTIFICATE or account.usage not in ANCHOR_USAGES:
        return True
    anchor = x509.load_der_x509_certificate(account.server_key)
    return ssl.create_default_context(cadata=anchor.public_bytes(Encoding.PEM).decode())
