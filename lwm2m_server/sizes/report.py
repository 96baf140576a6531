"""The table of sizes: for people, for programs, and as the reference page."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from lwm2m_server.fleet.profiles import Profile
from lwm2m_server.sizes import compact, dtls
from lwm2m_server.sizes.column import Column
from lwm2m_server.sizes.parties import Parties

ROWS: Final = {
    "factory_certificate": "factory certificate",
    "transfer_message_plain": "TransferMessage, plain",
    "transfer_message": "TransferMessage, endorsed",
    "delivery": "its delivery by LwM2M Write",
    "handshake": "handshake with CA2",
    "enrollment": "enrollment with a fresh key",
    "total": "one transfer, endorsed",
    "device_update_info": "DeviceUpdateInfo, a device's share",
}
"""The figures in their order, in words."""
_HEADING: Final = "bytes on the wire"


def measure() -> list[Column]:
    """Run every operation of every profile; the servers in it log nothing. Raises `NoSteadySize`."""
    with structlog.testing.capture_logs():
        return asyncio.run(_measure())


async def _measure() -> list[Column]:
    return [await _column(profile) for profile in Profile]


async def _column(profile: Profile) -> Column:
    """Each profile has parties of its own, so that none finds what another has left."""
    with tempfile.TemporaryDirectory() as folder:
        parties = await Parties.make(Path(folder))
        return await (dtls.measure(parties) if profile is Profile.DTLS else compact.measure(parties, profile))


def figures(columns: Sequence[Column]) -> dict[str, dict[str, int]]:
    """Bytes by column and row: what `lwm2m-server sizes --json` prints."""
    return {column.name: column.figures() for column in columns}


def table(columns: Sequence[Column]) -> list[dict[str, object]]:
    """The same with the rows that are in no sum, one dict a row."""
    rows = {words: {one.name: one.figures()[row] for one in columns} for row, words in ROWS.items()}
    rows["endorser's certificate, once"] = {one.name: one.endorser.size for one in columns}
    shown = {one.name: one.by_value.size for one in columns if one.by_value is not None}
    rows["handshake, CA2's certificate by value"] = shown
    rows["one transfer, CA2's certificate by value"] = {
        one.name: one.total - one.handshake.size + shown[one.name] for one in columns if one.name in shown
    }
    return [{_HEADING: words, **{one.name: row.get(one.name) for one in columns}} for words, row in rows.items()]


def details(columns: Sequence[Column]) -> list[dict[str, object]]:
    """Every message of every operation, one dict a row."""
    return [
        {
            "profile": column.name,
            "operation": name,
            "message": message.name,
            "from device": message.size if message.sent else None,
            "to device": None if message.sent else message.size,
        }
        for column in columns
        for name, operation in column.operations().items()
        for message in operation.messages
    ]


def page(columns: Sequence[Column]) -> str:
    """docs/reference/sizes.md."""
    lines = [_HEAD, *_markdown(table(columns)), _CONDITIONS]
    for column in columns:
        lines += ["", f"## {column.name}: {column.title}", "", *(f"- {option}" for option in column.options), ""]
        rows = details([column])
        lines += _markdown([{name: row[name] for name in list(row)[1:]} for row in rows])
    return "\n".join(lines) + "\n"


def _markdown(rows: Sequence[Mapping[str, object]]) -> list[str]:
    names = list(rows[0])
    numeric = {name for name in names if all(isinstance(row[name], int | None) for row in rows)}
    head = "| " + " | ".join(names) + " |"
    rule = "| " + " | ".join("---:" if name in numeric else "---" for name in names) + " |"
    return [head, rule, *("| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows)]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


_HEAD: Final = """\
# Sizes on the wire

What one transfer costs its device: UDP payload in bytes, both ways. `make sizes` and `lwm2m-server sizes` count it
anew, by running each operation between the real servers and a device's client, through a relay that counts. A test
compares this page.
"""

_CONDITIONS: Final = """
*One transfer* is the delivery, the handshake and the enrollment. Keys are on P-256, blocks have 1,024 bytes, servers
ask for a cookie, nothing is lost or repeated. enrollURI, updateURI and fallbackURI have 50, 25 and 25 characters, the
endpoint name has 12, providers' names have 3. A DER-encoded signature has 71 bytes: what has another by chance is done
again. The device list names 10,000 devices, its signature (a detached JWS) included."""
