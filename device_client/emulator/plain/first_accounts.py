"""The accounts a device starts with: what the command line says, as instances of objects 0 and 1."""

from __future__ import annotations

from device_client.emulator.lwm2m.instance import Content
from device_client.emulator.plain.accounts import SECURITY, SERVER, Accounts
from device_client.emulator.plain.settings import ClientSettings, Credentials

SHORT_SERVER_ID = 1


def first_accounts(accounts: Accounts, settings: ClientSettings) -> None:
    """Put them in: the bootstrap server's first, if there is one."""
    for uri, bootstrap in ((settings.bootstrap, True), (settings.server, False)):
        if uri is None:
            continue
        security: dict[str, Content] = {
            "LWM2M Server URI": uri,
            "Bootstrap-Server": bootstrap,
            **_credentials(settings.credentials, settings.version),
        }
        if not bootstrap:
            security["Short Server ID"] = SHORT_SERVER_ID
        accounts.add(SECURITY, len(accounts.objects[SECURITY].instances), security)
    if settings.server is not None:
        accounts.add(
            SERVER,
            0,
            {
                "Short Server ID": SHORT_SERVER_ID,
                "Lifetime": settings.lifetime,
                "Notification Storing When Disabled or Offline": True,
                "Binding": "UQ" if settings.queue_mode and settings.version == "1.0" else "U",
            },
        )


def _credentials(credentials: Credentials, version: str) -> dict[str, Content]:
    identity = (credentials.psk_identity or "").encode() or credentials.certificate
    values: dict[str, Content] = {
        "Security Mode": int(credentials.mode),
        "Public Key or Identity": identity,
        "Server Public Key": credentials.anchor,
        "Secret Key": credentials.psk or credentials.private_key,
    }
    if credentials.anchor_is_ca and version != "1.0":
        # Before 1.1 the server's own certificate was the only kind there was.
        values["Certificate Usage"] = 2
    return values
