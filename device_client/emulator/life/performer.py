"""What the state table orders, done: each action becomes the event it leads to. All of them may be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from device_client.emulator.life.housekeeping import erase_for_reset, erase_left_behind
from device_client.emulator.life.links import Relation
from device_client.emulator.life.parts import Parts, named
from device_client.emulator.life.renewal import MAX_WAIT
from device_client.emulator.life.sessions import TEMPORARY, is_final, wait_of
from device_client.emulator.life.trust import Peer, beneath_permanent
from device_client.emulator.orders import Order
from device_client.emulator.transport.channel import ServerNotTrusted
from device_client.emulator.transport.coap import SessionLost
from device_pki.path import PathError
from device_pki.roles import Role
from enrollment.est.client import EstAnswerError
from objects.firmware import UpdateResult
from secure_coap.errors import CoapError
from suit.errors import SuitError, SuitReason
from trust_transfer.device.actions import (
    Action,
    Attest,
    Enroll,
    Erase,
    ForgetNonce,
    MakeAttemptKey,
    Register,
    Reset,
    SignReport,
    StartAgreedImage,
    Update,
)
from trust_transfer.device.events import (
    AttemptKeyMade,
    CertificateIssued,
    Event,
    OldErased,
    RegistrationAccepted,
    ReportSigned,
    ResetDone,
    Side,
    StepFailed,
    StepSucceeded,
)
from trust_transfer.device.record import anchors_for
from trust_transfer.messages.numbers import AnchorRole, Result, State


class Performer:
    """Does the actions of one device."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._at_once: dict[type[Action], Callable[[Any], Event | None]] = {
            MakeAttemptKey: self._make_attempt_key,
            Attest: self._attest,
            SignReport: self._sign_report,
            Erase: self._erase,
            StartAgreedImage: self._start_agreed_image,
            ForgetNonce: self._forget_nonce,
        }
        self._by_network: dict[type[Action], Callable[[Any], Awaitable[Event]]] = {
            Reset: self._reset,
            Update: self._update,
            Enroll: self._enroll,
            Register: self._register,
        }

    async def perform(self, action: Action) -> Event | None:
        """Do one action and return what came of it; None when the state table need not know.

        SendReport is the registration's own work: it sends updates as long as the record holds a report.
        """
        at_once = self._at_once.get(type(action))
        if at_once is not None:
            return at_once(action)
        by_network = self._by_network.get(type(action))
        if by_network is None:
            return None
        async with self._parts.conversation:
            return await by_network(action)

    def _make_attempt_key(self, action: MakeAttemptKey) -> Event:
        return AttemptKeyMade(self._parts.vault.make_key()[0])

    def _attest(self, action: Attest) -> Event:
        """This device has no evidence to show; a message that asks for it is refused before it gets here."""
        return StepFailed(State.ATTESTING, final=True, result=Result.ATTESTATION)

    def _sign_report(self, action: SignReport) -> Event:
        return ReportSigned(action.report.sign(self._parts.credentials.factory().private_key))

    def _erase(self, action: Erase) -> Event:
        erase_left_behind(self._parts, action.keep_keys, action.keep_anchors)
        return OldErased()

    def _start_agreed_image(self, action: StartAgreedImage) -> None:
        self._parts.software.return_to_agreed()
        self._parts.firmware.reset(UpdateResult.INITIAL)
        self._parts.agreement_keys.forget_shared()

    def _forget_nonce(self, action: ForgetNonce) -> None:
        self._parts.nonce.forget()

    async def _reset(self, action: Reset) -> Event:
        """Erase, go back to the agreed state, restart. A restart loses sessions, the nonce and open orders."""
        parts = self._parts
        await parts.links.drop()
        parts.forget_volatile()
        try:
            erase_for_reset(parts, action)
            parts.software.reset(action.agreed_state.digest, parts.host.record.account.authorities.firmware)
        except SuitError as error:
            parts.log.warning("reset_failed", problem=str(error))
            return StepFailed(State.RESETTING, final=error.reason is not SuitReason.STORE, result=Result.RESET)
        parts.log.info("restarted", running=parts.software.running.digest.hex())
        return ResetDone(named(parts.software.running))

    async def _enroll(self, action: Enroll) -> Event:
        parts = self._parts
        authority = Peer(
            action.uri,
            Role.EST_SERVER,
            anchors_for(action.anchors, AnchorRole.ENROLL),
            beneath_permanent(action.anchors),
            action.pinned_key,
        )
        try:
            key = parts.vault.key(action.key)
            certificate = await parts.enroller.enroll(authority, action.profile, key, parts.credentials.factory())
        except CoapError as error:
            # A CA that wants to be asked later is; the deadline and Fall Back end this wait like any action.
            await asyncio.sleep(min(wait_of(error), MAX_WAIT))
            return self._failed(State.ENROLLING, error, Result.ENROLLMENT_REFUSED, final=is_final(error.code))
        except (EstAnswerError, PathError) as error:
            return self._failed(State.ENROLLING, error, Result.CERTIFICATE_INVALID)
        except TEMPORARY as error:
            return self._failed(State.ENROLLING, error, Result.ENROLLMENT_REFUSED)
        parts.log.info("enrolled", ca=parts.sessions.origin(action.uri).host, key=action.key.hex())
        return CertificateIssued(
            action.key,
            certificate.public_bytes(Encoding.DER),
            int(certificate.not_valid_before_utc.timestamp()),
        )

    async def _register(self, action: Register) -> Event:
        parts = self._parts
        back = action.side is Side.OLD
        step = State.FALLING_BACK if back else State.REGISTERING
        try:
            if action.credential is None or action.certificate is None:
                identity = parts.credentials.factory()
            else:
                identity = parts.credentials.certified(action.credential, action.certificate)
            await parts.links.drop()
            link = await parts.links.open(
                Relation.ACCOUNT if back else Relation.NEXT,
                self._server(action.uri, action.anchors),
                identity,
                action.credential,
                parts.lifetime(),
            )
        except CoapError as error:
            return self._failed(step, error, Result.REGISTRATION_REFUSED, final=is_final(error.code))
        except TEMPORARY as error:
            return self._failed(step, error, Result.REGISTRATION_REFUSED)
        await parts.links.take(link)
        return RegistrationAccepted(action.side)

    async def _update(self, action: Update) -> Event:
        """An update session: the next provider writes its manifest to object 5 and executes Update."""
        parts = self._parts
        server, identity = self._server(action.uri, action.anchors), parts.credentials.factory()
        try:
            link = await parts.links.open(
                Relation.UPDATE,
                server,
                identity,
                None,
                parts.lifetime(),
            )
        except CoapError as error:
            return self._failed(State.UPDATING, error, Result.UPDATE, final=is_final(error.code))
        except TEMPORARY as error:
            return self._failed(State.UPDATING, error, Result.UPDATE)
        try:
            while not parts.orders.take(Order.FIRMWARE):
                if not link.alive:
                    raise SessionLost("the update session ended")
                if not await parts.orders.given.wait(parts.lifetime() / 2):
                    await link.registration.update()
        except CoapError as error:
            return self._failed(State.UPDATING, error, Result.UPDATE, final=is_final(error.code))
        except TEMPORARY as error:
            return self._failed(State.UPDATING, error, Result.UPDATE)
        finally:
            await link.close()
        if not await parts.firmware.install():
            return StepFailed(State.UPDATING, final=True, result=Result.UPDATE)
        return StepSucceeded(State.UPDATING)

    def _server(self, uri: str, anchors: frozenset[bytes]) -> Peer:
        record = self._parts.host.record
        named = () if record.order is None else record.order.destination.anchors
        return Peer(uri, Role.SERVER, anchors, beneath_permanent(named, record.account.anchors))

    def _failed(self, step: State, error: Exception, result: Result, *, final: bool = False) -> StepFailed:
        if isinstance(error, ServerNotTrusted):
            result = Result.SERVER_NOT_TRUSTED
        self._parts.log.warning("step_failed", step=step.name.lower(), final=final, problem=str(error))
        return StepFailed(step, final=final, result=result)
