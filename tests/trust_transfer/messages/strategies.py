"""Hypothesis strategies for every value of the messages, within the bounds of transfer.cddl."""

from __future__ import annotations

from hypothesis import strategies as st

from cose.keys import KeyKind, authority_key, generate_private_key
from cose.numbers import Algorithm
from tests.trust_transfer.messages.samples import NOW
from trust_transfer.messages.device_update_info import (
    AttestationInfo,
    DeviceEntry,
    DeviceInfo,
    DeviceUpdateInfo,
    SoftwareState,
)
from trust_transfer.messages.numbers import AnchorRole, CertificateKind, KeyOrigin, Result, State
from trust_transfer.messages.receipts import Receipt
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import Terms
from trust_transfer.messages.values import (
    MAX_WINDOW,
    Anchor,
    Authorities,
    Destination,
    EnrollmentProfile,
    Limits,
    SuitDigest,
)

_KEYS = [authority_key(generate_private_key(kind).public_key()) for kind in (*KeyKind, *KeyKind)]
_P256_KEYS = [key for key in _KEYS if len(key) == 33]


def _text(low: int, high: int) -> st.SearchStrategy[str]:
    return st.text(min_size=low, max_size=high // 4)


uint64 = st.integers(0, (1 << 64) - 1)
times = st.integers(0, 1 << 40)
uris = _text(1, 255)
sha256 = st.binary(min_size=32, max_size=32)
transfer_ids = st.binary(min_size=16, max_size=16)
endpoints = _text(1, 64)
digests = st.builds(SuitDigest, st.just(int(Algorithm.SHA_256)), sha256) | st.builds(
    SuitDigest, st.sampled_from([-43, -44]), st.binary(min_size=1, max_size=64)
)
anchors = st.lists(st.builds(Anchor, st.integers(1, 15).map(AnchorRole), sha256), min_size=1, max_size=3).map(tuple)
bits = st.integers(0, 1)
limits = st.builds(Limits, st.integers(1, 255), st.integers(300, 2592000))
destinations = st.builds(
    Destination,
    enroll_uri=uris,
    update_uri=uris,
    update_first=st.booleans(),
    ra_uri=st.none() | uris,
    agreed_state=digests,
    anchors=anchors,
    profile=st.builds(EnrollmentProfile, bits, bits, bits),
    authorities=st.builds(Authorities, st.sampled_from(_KEYS), st.sampled_from(_KEYS)),
    pinned_key=st.none() | st.sampled_from(_P256_KEYS),
)
_small_destinations = st.builds(
    Destination,
    enroll_uri=_text(1, 80),
    update_uri=_text(1, 40),
    update_first=st.booleans(),
    ra_uri=st.none() | _text(1, 40),
    agreed_state=digests,
    anchors=anchors.map(lambda many: many[:1]),
    profile=st.builds(EnrollmentProfile, bits, bits, bits),
    authorities=st.builds(Authorities, st.sampled_from(_KEYS), st.sampled_from(_KEYS)),
    pinned_key=st.none() | st.sampled_from(_P256_KEYS),
)


def _templates(destination: st.SearchStrategy[Destination], name_size: int) -> st.SearchStrategy[TransferTemplate]:
    return st.builds(
        lambda start, length, **rest: TransferTemplate(not_before=start, not_after=start + length, **rest),
        times,
        st.integers(1, MAX_WINDOW),
        issuer=_text(0, name_size),
        audience=_text(1, name_size),
        issued_at=times,
        transfer_id=transfer_ids,
        destination=destination,
    )


templates = _templates(destinations, 255)
small_templates = _templates(_small_destinations, 40)
"""Templates that fit into a device's message."""

terms = st.builds(
    Terms,
    audience=endpoints,
    seq=uint64,
    fallback_uri=_text(1, 80),
    issued_at=st.none() | times,
    nonce=st.none() | st.binary(min_size=16, max_size=32),
    limits=st.none() | limits,
)

_hashes = st.lists(sha256, min_size=1, max_size=4).map(tuple)
_results = st.sampled_from(Result) | st.integers(0, 65535).map(Result)
_report_head = {
    "endpoint": endpoints,
    "issued_at": st.none() | times,
    "transfer_id": transfer_ids,
    "seq": uint64,
    "result": _results,
}
reports = (
    st.builds(
        TransferReport,
        **_report_head,
        state=st.just(State.COMMITTED),
        running=digests,
        anchors=_hashes,
        attempt_key=sha256,
        authorities=_hashes,
    )
    | st.builds(
        TransferReport,
        **_report_head,
        state=st.just(State.FELL_BACK),
        running=st.none() | digests,
        attempt_key=sha256,
    )
    | st.builds(
        TransferReport,
        **_report_head,
        state=st.sampled_from([*list(State)[:7], State.FALLING_BACK]),
        running=st.none() | digests,
        attempt_key=st.none() | sha256,
    )
)
receipts = st.lists(st.builds(Receipt, sha256, times, st.binary(min_size=1, max_size=300)), min_size=1, max_size=4)

_states = st.builds(SoftwareState, digests, st.none() | uris, st.none() | uint64)
_infos = st.builds(
    lambda earliest, length, **rest: DeviceInfo(earliest, earliest + length, **rest),
    times,
    st.integers(0, NOW),
    software=st.none() | st.lists(st.integers(0, 1), min_size=1, max_size=3).map(tuple),
    endpoint=st.none() | endpoints,
    ueid=st.none() | st.binary(min_size=7, max_size=33),
    sequence_number=st.none() | uint64,
    seq=st.none() | uint64,
    key_origin=st.none() | st.sampled_from(KeyOrigin),
)
entries = st.builds(
    DeviceEntry,
    st.sampled_from([CertificateKind.X509, CertificateKind.C509]),
    st.binary(min_size=1, max_size=300),
    _infos,
) | st.builds(DeviceEntry, st.just(CertificateKind.FINGERPRINT), sha256, _infos)
device_lists = st.builds(
    DeviceUpdateInfo,
    entries=st.lists(entries, min_size=1, max_size=4).map(tuple),
    issued_at=times,
    software_states=st.lists(_states, min_size=2, max_size=3).map(tuple),
    attestation=st.none()
    | st.builds(
        AttestationInfo,
        uris,
        st.none() | st.binary(max_size=40),
        st.none() | st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=2).map(tuple),
    ),
    group=st.none() | _text(0, 255),
    chunk=st.none() | st.tuples(st.integers(0, 5), st.integers(6, 9)),
)
