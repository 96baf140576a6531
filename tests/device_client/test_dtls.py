"""The DTLS client against OpenSSL's own server: both suites, mutual certificates, nothing in between."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from cose.keys import save_private_key
from device_client.emulator.transport.channel import ChannelError, ServerNotTrusted
from device_client.emulator.transport.dtls import DtlsClient, DtlsCredentials
from tests.device_client.pki import HOST, Pki, device_of

SUITES = ["ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", "ECDHE-ECDSA-AES128-GCM-SHA256"]
TIMEOUT = 5.0


@contextmanager
def openssl_server(folder: Path, pki: Pki, suite: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    certificate, key, anchor = folder / "server.pem", folder / "server.key", folder / "anchor.pem"
    certificate.write_bytes(pki.sp1.server.certificate.public_bytes(Encoding.PEM))
    anchor.write_bytes(pki.permanent.certificate.public_bytes(Encoding.PEM))
    save_private_key(key, pki.sp1.server.key)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command: list[str | Path] = ["openssl", "s_server", "-dtls1_2", "-accept", f"{HOST}:{port}"]
    command += [
        "-cert",
        certificate,
        "-key",
        key,
        "-CAfile",
        anchor,
        "-Verify",
        "2",
        "-verify_return_error",
        "-cipher",
        suite,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        while b"ACCEPT" not in (line := process.stdout.readline()):
            assert line, "openssl s_server did not start"
        try:
            yield port, process
        finally:
            process.terminate()


def shake_hands(client: DtlsClient, link: socket.socket) -> None:
    client.start()
    send(client, link)
    while not client.established:
        client.receive(link.recv(65536))
        send(client, link)


def send(client: DtlsClient, link: socket.socket) -> None:
    for datagram in client.datagrams():
        link.send(datagram)


@contextmanager
def link_to(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(TIMEOUT)
        link.connect((HOST, port))
        yield link


@pytest.mark.parametrize("suite", SUITES)
def test_mutual_certificates_and_data_both_ways(tmp_path: Path, pki: Pki, suite: str) -> None:
    device = device_of(pki)
    seen: list[int] = []
    client = DtlsClient(DtlsCredentials(device.certificate, device.key, lambda chain: seen.append(len(chain))))
    with openssl_server(tmp_path, pki, suite) as (port, process), link_to(port) as link:
        shake_hands(client, link)
        assert seen and len(client.channel_binding) == 12
        client.send(b"from the device\n")
        send(client, link)
        assert process.stdin is not None and process.stdout is not None
        while b"from the device" not in (line := process.stdout.readline()):
            assert line
        process.stdin.write(b"from the server\n")
        process.stdin.flush()
        assert client.receive(link.recv(65536)) == [b"from the server\n"]
        client.close()
        send(client, link)
        with pytest.raises(ChannelError):
            client.send(b"too late")


def test_an_untrusted_server_gets_an_alert_and_nothing_else(tmp_path: Path, pki: Pki) -> None:
    def refuse(chain: object) -> None:
        raise ValueError("not this one")

    device = device_of(pki)
    client = DtlsClient(DtlsCredentials(device.certificate, device.key, refuse))
    with openssl_server(tmp_path, pki, SUITES[0]) as (port, _), link_to(port) as link:
        with pytest.raises(ServerNotTrusted, match="not this one"):
            shake_hands(client, link)
        [alert] = client.datagrams()
        assert alert[0] == 21 and alert[-2:] == b"\x02\x2a"
        assert client.closed


def test_a_certificate_that_cannot_be_read_is_one_that_is_not_trusted(
    tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(self: object, *, as_cryptography: bool) -> None:
        raise ValueError("a serial number below zero")

    monkeypatch.setattr(SSL.Connection, "get_peer_cert_chain", unreadable)
    device = device_of(pki)
    client = DtlsClient(DtlsCredentials(device.certificate, device.key, lambda chain: None))
    with openssl_server(tmp_path, pki, SUITES[0]) as (port, _), link_to(port) as link:
        with pytest.raises(ServerNotTrusted, match="below zero"):
            shake_hands(client, link)
        assert client.closed


def test_a_flight_is_repeated_when_openssl_says_so(pki: Pki) -> None:
    device = device_of(pki)
    client = DtlsClient(DtlsCredentials(device.certificate, device.key, lambda chain: None))
    client.start()
    assert len(client.datagrams()) == 1
    assert client.timeout() is not None
    assert client.receive(b"") == [] and client.receive(b"garbage") == [] and client.datagrams() == []


def test_the_private_key_is_in_no_representation(pki: Pki) -> None:
    device = device_of(pki)
    assert "private_key=" not in repr(DtlsCredentials(device.certificate, device.key, lambda chain: None))
