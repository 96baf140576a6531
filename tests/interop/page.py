"""`python -m tests.interop.page > docs/reference/interoperability.md`: which operation works with whom, test by test.

A cell names the test that tries it; `test_page.py` finds each of them, and the page as it is written here.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Row(NamedTuple):
    """One operation; a test of each side, empty where the peer has nothing like it."""

    operation: str
    client: str
    server: str


ALL: Final = "NoSec, PSK, X.509"
LESHAN: Final = (
    Row("Register, version, lifetime, binding, links", "client.test_it_registers_with_its_objects", "server.do"),
    Row("Update", "client.test_it_updates", "server.test_an_update_when_the_server_wants_one"),
    Row(
        "Registration Update Trigger",
        "client.test_the_server_asks_for_an_update",
        "server.test_an_update_when_the_server_wants_one",
    ),
    Row("Deregister; Register from another address", "registration.test_it_deregisters_and_comes_back", "server.do"),
    Row(
        "Read of every level in TLV, SenML JSON, SenML CBOR",
        "client.test_it_answers_in_every_format_of_nodes",
        "server.test_read_in_every_format_of_nodes",
    ),
    Row("Read in LwM2M JSON", "client.test_it_answers_in_every_format_of_nodes", ""),
    Row(
        "Read and Write as text and opaque",
        "client.test_it_answers_in_every_format_of_values",
        "server.test_read_as_text_and_opaque",
    ),
    Row(
        "Write of every type",
        "client.test_values_of_every_type_come_back_as_written",
        "server.test_values_of_every_type_come_back_as_written",
    ),
    Row(
        "Write: replace and partial update",
        "client.test_replace_and_partial_update",
        "server.test_replace_and_partial_update",
    ),
    Row("Execute with arguments", "client.test_execute_with_arguments", "server.test_execute_with_arguments"),
    Row("Create, Delete", "client.test_create_and_delete", "server.test_create_and_delete"),
    Row(
        "Discover, Write-Attributes",
        "client.test_discover_and_write_attributes",
        "server.test_discover_and_write_attributes",
    ),
    Row("Observe, Cancel by a request", "client.test_observe_and_cancel", "server.test_observe_and_cancel"),
    Row("Cancel by Reset", "", "server.test_a_forgotten_observation_is_reset"),
    Row(
        "Read- and Write-Composite in SenML",
        "client.test_composite_operations",
        "server.test_composite_operations",
    ),
    Row("Observe-Composite", "client.test_observe_composite", "server.test_observe_composite"),
    Row("Send in SenML JSON and CBOR", "client.test_send", ""),
    Row("Refusals: 4.01, 4.04, 4.05", "client.test_what_it_refuses", "server.test_what_it_refuses"),
    Row(
        "Firmware pushed in blocks",
        "client.test_firmware_is_pushed_in_blocks",
        "server.test_firmware_is_pushed_in_blocks",
    ),
    Row(
        "Bootstrap by the client's request, and by the server's",
        "bootstrap.test_it_is_bootstrapped_and_registers",
        "",
    ),
)
"""Modules are named without `test_leshan_`."""

NOSEC: Final = (
    ("Register anew without having left", "test_leshan_registration.test_it_registers_anew_without_having_left"),
    ("A registration expires", "test_leshan_registration.test_its_registration_expires"),
    ("A device without bootstrap profile is refused", "test_leshan_bootstrap.test_a_client_without_profile_is_refused"),
)
LIBCOAP: Final = (
    ("its client: GET, PUT by Block1 and Block2, Echo", "test_libcoap.test_its_client_gets_and_puts"),
    ("its client: POST, FETCH, iPATCH in blocks of 64", "test_libcoap.test_its_client_sends_a_body_in_small_blocks"),
    ("its client: diagnostic payloads", "test_libcoap.test_its_client_is_told_our_error"),
    ("its server: GET, PUT, DELETE, block by block", "test_libcoap.test_our_client_uses_its_server"),
    ("its server: separate responses", "test_libcoap.test_its_server_answers_separately"),
    ("its server: Observe, cancelled", "test_libcoap.test_our_client_observes_its_server"),
)
_HEAD: Final = """\
# What works with whom

Every line is tried by `make test`, against the peer itself. What a peer's library lacks is left out.

## Eclipse Leshan 2.0.0-M18 (Java)

| operation | our server, its client | our emulated device, its server |
| --- | --- | --- |
"""
_TAIL: Final = """\

## OpenSSL, GnuTLS, aiocoap

`tests/secure_coap` meets OpenSSL's `s_client` and `s_server` in both roles with certificates and pre-shared keys, and
aiocoap in both roles without security. `test_libcoap_dtls` meets libcoap on OpenSSL and on GnuTLS over DTLS,
`test_libcoap_tcp` over TCP and TLS.

## lakers 0.6.2 (Rust) and aiocoap 0.4.17: EDHOC and OSCORE

lakers meets our initiator and our responder in what it knows: method 3, suite 2, claims by reference and by value, EAD,
message 4, exporter. aiocoap, whose EDHOC is lakers, is client and server of ours: message 3 with the first request and
by itself, bodies in blocks both ways, observations, and the Echo after a restart
(`tests/interop/test_edhoc_oscore.py`). Known of aiocoap: its client runs EDHOC before every request, and its server
lets requests without protection through.

## Bouncy Castle 1.87 (Java), C509

Both write and read the same octets: certificates re-encoded from X.509 with every extension of the draft but two,
requests re-encoded from PKCS#10, and natively signed certificates and requests, whose signatures each verifies of the
other. It reads our request templates and private keys (`tests/interop/test_bouncycastle.py`). Where they differ:

| | Bouncy Castle | here, and in the draft |
| --- | --- | --- |
| bags (c5b, c5c) | each byte string holds the array | the sequence ~C509Certificate |
| natively signed names | PrintableString has a negative number | no negative numbers; refused |
| points on brainpool curves | compressed | as in the draft's example not; both are read |
| subjectDirectoryAttributes, precertificate poison | DER only | compact |

## EST over HTTPS: Bouncy Castle 1.87, curl and OpenSSL

Bouncy Castle's client enrolls, renews, reads the CA's certificates and what a request should hold, has a key made for
it, and understands refusals and decisions that take time, unless these come with a text, so ours have none
(`tests/interop/test_bouncycastle_est.py`). curl with requests and bundles by `openssl` enrolls over TLS 1.2 and 1.3
(`tests/enrollment/test_est_https.py`). `openssl cms` opens and verifies the private keys our CAs encrypt
(`tests/enrollment/cms/test_key_packages.py`).

## step-ca 0.30.2, GlobalSign's EST server 1.0.6 (Go), OpenSSL 3 and SoftHSM 2.6: certification authorities

- step-ca: certificates and revocations are ordered through an X5C provisioner; its revocation list is taken as that of
  its one distribution point (`tests/enrollment/test_step_ca.py`).
- GlobalSign's EST server: simple enrollment over TLS with a client's certificate; 202 with Retry-After, 403, 500. It
  takes no body without `Content-Transfer-Encoding`, which RFC 8951 has servers ignore
  (`tests/enrollment/test_est_upstream.py`).
- `openssl ocsp` as client of our responder: good, revoked, unknown; with and without nonce; CertIDs by SHA-1 and
  SHA-256 (`tests/lwm2m_server/ca/test_status.py`). As the responder we ask: good, revoked, unknown; nonce; signed by
  the CA, and by somebody else (`tests/lwm2m_server/dm/test_ocsp.py`).
- SoftHSM: CA keys on P-256 and P-384: certificates, revocation lists, OCSP delegates (`tests/enrollment/test_ca.py`).

## What else is known

- Leshan's client registers as LwM2M 1.1 only; Leshan's bootstrap server is not published as a library.
- Wakaama's example client (1.1, TLV and SenML JSON) was tried by hand, without security and with a key of 16 bytes, the
  longest its DTLS takes: bootstrap, registration, every single operation, observations and block-wise firmware work.
  It does not answer composite operations at all, and tells no server what that server itself has written.
- Anjay's demonstration client (3.14, LwM2M 1.2) was tried by hand, without security, with a key, and over TCP:
  bootstrap request by request and by Bootstrap-Pack, registration, every operation with composite ones, Send, and
  firmware by push and by pull over coaps until it ran the new image.
"""


def page() -> str:
    """The page."""
    rows = "".join(
        f"| {row.operation} | {ALL if row.client else ''} | {ALL if row.server else ''} |\n" for row in LESHAN
    )
    nosec = "".join(f"| {operation} | NoSec | |\n" for operation, _ in NOSEC)
    libcoap = "".join(f"| {operation} | NoSec |\n" for operation, _ in LIBCOAP)
    return f"{_HEAD}{rows}{nosec}\n## libcoap 4.3 (C)\n\n| operation | security |\n| --- | --- |\n{libcoap}{_TAIL}"


def tests() -> list[str]:
    """Every test the page stands on, as `module.function`."""
    leshan = [name for row in LESHAN for name in (row.client, row.server) if name]
    return [f"test_leshan_{name}" for name in leshan] + [name for _, name in (*NOSEC, *LIBCOAP)]


if __name__ == "__main__":
    print(page(), end="")
