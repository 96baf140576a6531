"""`lwm2m-server serve --dev`: everything a first try needs, made in one folder; nothing of it is for production.

data/server.toml     the settings, to be changed at will
data/ca/             a CA of its own, which certifies the server and any device
data/keys/ …         the server's key and certificate
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cose.files import write_durably
from lwm2m_server.api.operator_token import TOKEN_FILE
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.ca.issuing import IssueRole, issue
from lwm2m_server.ca.setup import CaKind, Setup, set_up
from lwm2m_server.provider_keys import KeyRole, certificate_path, create, request_path
from lwm2m_server.roles.dm import RunningDm

SETTINGS: Final = "server.toml"
_HOSTS: Final = ("127.0.0.1", "::1", "localhost")
_TEMPLATE: Final = """\
# Made by `lwm2m-server serve --dev`. Change what you like: this file is used as long as it is here.
roles = ["dm"]

[dm]
data = "."
nosec_bind = "127.0.0.1:5683"
dtls_bind = "127.0.0.1:5684"
tcp_bind = "127.0.0.1:5683"
tls_bind = "127.0.0.1:5684"
admin_bind = "127.0.0.1:8080"
device_anchors = ["ca/ca.pem"]
definitions = "definitions"
"""


def prepare(folder: Path) -> Path:
    """Make what is missing; returns the settings file. Raises OSError, `CaDirectoryError` and `UnusableKey`."""
    (folder / "definitions").mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    ca = CaDirectory(folder / "ca")
    set_up(Setup(ca, "development CA", CaKind.ROOT, _HOSTS), now)
    create(folder, "development server", _HOSTS, [KeyRole.DTLS])
    certificate = certificate_path(folder, KeyRole.DTLS)
    issue(ca, IssueRole.SERVER, request_path(folder, KeyRole.DTLS), hosts=_HOSTS, out=certificate, now=now)
    settings = folder / SETTINGS
    if not settings.exists():
        write_durably(settings, _TEMPLATE.encode(), 0o644)
    return settings


def announce(folder: Path, running: RunningDm) -> None:
    """Tell, on stdout, where everything is and what to try."""
    host, port = running.admin
    lines = [
        ("LwM2M without security", _uri("coap", running.nosec)),
        ("LwM2M over DTLS", _uri("coaps", running.dtls)),
        ("the same over TCP, TLS", f"{_uri('coap+tcp', running.tcp)}, {_uri('coaps+tcp', running.tls)}"),
        ("admin API", f"http://{host}:{port}/api/v1"),
        ("operator token", f"{(folder / TOKEN_FILE).read_text().strip()}   ({folder / TOKEN_FILE})"),
        ("settings", str(folder / SETTINGS)),
        ("next, a device", f"lwm2m-device run --server {_uri('coap', running.nosec)} --endpoint dev-1"),
        ("then", f"lwm2m-server devices list --config {folder / SETTINGS}"),
    ]
    for name, value in lines:
        print(f"{name:<24}{value}", flush=True)


def _uri(scheme: str, address: tuple[str, int] | None) -> str:
    if address is None:
        return "off"
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
