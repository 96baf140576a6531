"""The signed messages of a measured transfer, made by the code that makes them for real devices."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from cose.keys import authority_key
from cose.numbers import Algorithm
from device_pki.fingerprints import fingerprint
from lwm2m_server.fleet.device_lists import list_chunks
from lwm2m_server.fleet.factory_certificates import Carriage, list_entry
from lwm2m_server.fleet.offers import terms_for, write_message
from lwm2m_server.fleet.profiles import Profile
from lwm2m_server.sizes.conditions import ADDRESSES, ENDPOINT, FLEET, NOW, SP1, SP2, WINDOW
from lwm2m_server.sizes.parties import Parties
from trust_transfer.messages.device_update_info import DeviceInfo, SoftwareState
from trust_transfer.messages.jws import sign_detached
from trust_transfer.messages.numbers import AnchorRole, Form, JwsTyp
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.values import Anchor, Authorities, Destination, SuitDigest, seq_value

AGREED_STATE = SuitDigest(Algorithm.SHA_256, sha256(b"agreed state").digest())


@dataclass(frozen=True, slots=True)
class Messages:
    """A device's TransferMessage in both forms."""

    plain: bytes
    endorsed: bytes


def transfer_messages(parties: Parties, profile: Profile) -> Messages:
    """Have SP2 sign a template and SP1 make the device's message of it."""
    info, addresses = DeviceInfo(NOW, NOW + WINDOW), ADDRESSES[profile.enrollment.scheme]
    anchor = fingerprint(parties.ca2.chain()[0])
    template = TransferTemplate(
        issuer=SP2,
        audience=SP1,
        not_before=info.earliest,
        not_after=info.latest,
        issued_at=NOW,
        transfer_id=sha256(b"device list").digest()[:16],
        destination=Destination(
            enroll_uri=addresses.enroll,
            update_uri=addresses.update,
            update_first=False,
            ra_uri=None,
            agreed_state=AGREED_STATE,
            anchors=(Anchor(AnchorRole.ENROLL | AnchorRole.UPDATE, anchor),),
            profile=profile.enrollment,
            authorities=Authorities(
                authority_key(parties.endorser.key.public_key()), authority_key(parties.sp2_firmware.public_key())
            ),
            pinned_key=parties.pinned_key if profile.pins_key else None,
        ),
    )
    signed = template.sign(parties.endorser.key)

    def message(form: Form) -> bytes:
        seq, fallback = seq_value(0, 1), addresses.fallback
        terms = terms_for(form, ENDPOINT, info, template, seq=seq, fallback=fallback, now=NOW)
        return write_message(form, template, signed, terms, parties.sp1_transfer)

    return Messages(message(Form.PLAIN), message(Form.ENDORSED))


def device_list(parties: Parties, carriage: Carriage) -> int:
    """Bytes of the list that names `FLEET` devices with the measured one's certificate, with its signatures."""
    entry = list_entry(parties.device.der, carriage, DeviceInfo(NOW, NOW + WINDOW, seq=seq_value(0, 0)))
    chunks = list_chunks([entry] * FLEET, SoftwareState(AGREED_STATE, sequence_number=1), "sensors", NOW)
    holder = parties.endorser
    signed = [sign_detached(chunk, holder.key, holder.certificate, JwsTyp.DEVICES) for chunk in chunks]
    return sum(map(len, chunks)) + sum(map(len, signed))
