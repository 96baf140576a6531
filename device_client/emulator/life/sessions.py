"""Opening a session to a server a step names, and what a failure of that step means."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from device_client.emulator.life.compact import Compact
from device_client.emulator.life.trust import Identity, Peer, Trust
from device_client.emulator.log import Logger
from device_client.emulator.settings import RunSettings
from device_client.emulator.transport.channel import Channel, ChannelError, HandshakeRefused, ServerNotTrusted
from device_client.emulator.transport.coap import CoapSession, RequestHandler, SessionLost, Tuning
from device_client.emulator.transport.dtls import DtlsClient, DtlsCredentials
from device_client.emulator.transport.edhoc import EdhocClient, Patience
from device_client.emulator.transport.wire import WireMeter
from secure_coap.errors import CoapError
from secure_coap.exchange import Response
from secure_coap.numbers.codes import Code
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.uri import Origin, check_uri

TEMPORARY: tuple[type[Exception], ...] = (ChannelError, SessionLost, OSError)
"""What says nothing about the step itself: alerts, time-outs, an untrusted server, a lost session."""

_TRY_AGAIN = frozenset({Code.REQUEST_ENTITY_INCOMPLETE, Code.TOO_MANY_REQUESTS})


def is_final(code: Code) -> bool:
    """Whether this answer over an authenticated channel ends a step for good: 4.xx except 4.08 and 4.29."""
    return code.code_class == 4 and code not in _TRY_AGAIN


def wait_of(failure: Exception) -> float:
    """Seconds a peer asked to wait before the next try: Max-Age of 5.03 and 4.29; 0 when it said nothing."""
    return float(failure.max_age or 0) if isinstance(failure, CoapError) else 0.0


def error_of(response: Response) -> CoapError | None:
    """The error a response carries, None for a success."""
    try:
        response.raise_for_code()
    except CoapError as error:
        return error
    return None


class Sessions:
    """Opens sessions of one device and keeps its byte counts. `schemes`: those of the URIs the device may go to now."""

    def __init__(
        self,
        trust: Trust,
        settings: RunSettings,
        meter: WireMeter,
        log: Logger,
        *,
        schemes: Callable[[], Collection[str]],
        lab: bool,
    ) -> None:
        self._trust = trust
        self._compact = Compact(trust)
        self._settings = settings
        self._meter = meter
        self._log = log
        self.schemes = schemes
        self._lab = lab

    def origin(self, uri: str) -> Origin:
        """Host and port behind a URI this device may go to. Raises OSError for any other."""
        try:
            return check_uri(uri, schemes=self.schemes(), lab=self._lab)
        except MessageError as error:
            raise OSError(f"not a URI for this device: {error.detail}") from error

    async def open(self, peer: Peer, identity: Identity, handler: RequestHandler | None = None) -> CoapSession:
        """A session with this peer, who may send requests if there is a `handler`. Raises one of TEMPORARY.

        A CA that has another key than the pinned one, or none, may still show the certificate its anchors vouch for.
        """
        if peer.pinned_key is not None:
            try:
                return await self._open(peer, identity, handler)
            except (ServerNotTrusted, HandshakeRefused) as failure:
                self._log.warning("pinned_key_failed", server=peer.uri, problem=str(failure))
        return await self._open(replace(peer, pinned_key=None), identity, handler)

    async def _open(self, peer: Peer, identity: Identity, handler: RequestHandler | None) -> CoapSession:
        origin = self.origin(peer.uri)
        session = await CoapSession.open(
            origin.host,
            origin.port,
            self._channel(origin, peer, identity),
            tuning=Tuning(self._settings.ack_timeout, self._settings.max_retransmit),
            handshake_timeout=self._settings.handshake_timeout,
            meter=self._meter,
            handler=handler,
        )
        self.report_wire()
        return session

    def _channel(self, origin: Origin, peer: Peer, identity: Identity) -> Channel:
        """By the scheme: `coaps` is DTLS, and `coap` OSCORE with keys from EDHOC."""
        if origin.scheme == "coaps":
            check = self._trust.server_check(peer, origin.host)
            return DtlsClient(DtlsCredentials(identity.certificate, identity.private_key, check, identity.chain))
        credentials = self._compact.credentials(identity, peer, origin.host)
        patience = Patience(self._settings.ack_timeout, self._settings.max_retransmit)
        return EdhocClient(credentials, patience, time.monotonic, secrets.randbelow(1 << 16))

    def report_wire(self) -> None:
        """Log the bytes counted since the last time, one event per kind."""
        for kind, tally in self._meter.drain():
            self._log.info("wire", kind=kind, received=tally.received, sent=tally.sent)
