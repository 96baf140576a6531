"""`lwm2m-server init` and `install-certificate`: the keys of a service provider."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Exit, Format, Output, fail, read_file, show


class InitRole(StrEnum):
    """What can be set up by `init`; a CA is by `ca init`."""

    SP = "sp"


class CertifiedRole(StrEnum):
    """Keys whose certificates come from a CA."""

    TRANSFER = "transfer"
    DOCUMENT = "document"
    FIRMWARE = "firmware"
    DTLS = "dtls"


def init(
    name: Annotated[str, typer.Option(help="The provider's name.")],
    data: Annotated[Path, typer.Option(help="Folder for keys, certificates and the database.")],
    role: Annotated[InitRole, typer.Option(help="What this installation is.")] = InitRole.SP,
    host: Annotated[list[str] | None, typer.Option(help="Host name or address of the server; repeatable.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Make a service provider's keys and the requests to be certified; what is there already stays."""
    from cose.keys import UnusableKey
    from lwm2m_server.provider_keys import create

    try:
        requests = create(data, name, host or ["127.0.0.1"])
    except (OSError, UnusableKey) as error:
        fail(Exit.SETTINGS, str(error))
    show(output, {"role": role.value, "data": str(data), "requests": [str(path) for path in requests]})


def install_certificate(
    role: Annotated[CertifiedRole, typer.Argument(help="Which key it certifies.")],
    file: Annotated[Path, typer.Argument(help="PEM: the certificate, then the CAs above it.")],
    data: Annotated[Path, typer.Option(help="The provider's data folder.")],
    output: Format = Output.TABLE,
) -> None:
    """Put a certificate that came back from a CA into its place."""
    from cose.keys import UnusableKey
    from lwm2m_server.provider_keys import KeyRole, KeysError, install, read_chain

    read_file(file)
    try:
        path = install(data, KeyRole(role.value), read_chain(file))
    except (KeysError, UnusableKey, OSError) as error:
        fail(Exit.SETTINGS, str(error))
    show(output, {"installed": str(path)})
