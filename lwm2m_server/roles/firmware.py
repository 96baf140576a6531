"""Firmware beside an LwM2M server: images in the data folder, and the listener for devices that fetch by HTTP."""

from __future__ import annotations

import ipaddress
from contextlib import AsyncExitStack

from lwm2m_server.api.firmware_files import server_context, serving_firmware
from lwm2m_server.server.firmware.service import Firmware
from lwm2m_server.settings import FirmwareSettings
from objects.firmware import PullProtocol


async def start_firmware(stack: AsyncExitStack, firmware: Firmware, settings: FirmwareSettings) -> None:
    """Take up what was under way and listen, until the stack ends. Raises OSError for a port that is taken."""
    stack.push_async_callback(firmware.close)
    await firmware.resume()
    if settings.http_bind is not None:
        tls = None
        if settings.http_certificate is not None and settings.http_key is not None:
            tls = server_context(settings.http_certificate, settings.http_key)
        await stack.enter_async_context(serving_firmware(firmware.pulls, firmware.payloads, *settings.http_bind, tls))


def announce(firmware: Firmware, protocol: PullProtocol, address: tuple[str, int] | None) -> None:
    """Where devices can fetch over CoAP when the settings do not say: the very address they register at."""
    if (uri := _uri(protocol, address)) is not None:
        firmware.pulls.bases.setdefault(protocol, uri)


def announce_oscore(firmware: Firmware, address: tuple[str, int] | None) -> None:
    """The same for devices that are here by OSCORE."""
    firmware.pulls.oscore_base = _uri(PullProtocol.COAP, address) or ""


def _uri(protocol: PullProtocol, address: tuple[str, int] | None) -> str | None:
    if address is None or ipaddress.ip_address(address[0]).is_unspecified:
        return None
    host, port = address
    return f"{protocol.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
