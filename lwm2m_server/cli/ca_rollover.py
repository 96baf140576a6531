"""`lwm2m-server ca renew|roll`: a new certificate, or a new key, for a CA that has issued certificates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_server.cli.common import Exit, Format, Output, fail, show

if TYPE_CHECKING:
    from cryptography import x509

Data = Annotated[Path, typer.Option("--data", help="The CA's data folder.", envvar="LWM2M_CA_DATA")]
Parent = Annotated[Path | None, typer.Option("--issuer", help="Data folder of the CA that certifies it.")]
Certificate = Annotated[Path | None, typer.Option("--certificate", help="What `ca issue` made of the request.")]


def renew(data: Data, issuer: Parent = None, certificate: Certificate = None, output: Format = Output.TABLE) -> None:
    """Give a CA a new certificate for its key, and its EST server one by it. Restart the CA afterwards.

    Whoever has the old certificate as an anchor needs the new one before the old one expires. A CA beneath another
    without --issuer leaves ca.csr: have it certified by `ca issue --role ca`, and run this again with --certificate.
    """
    from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError
    from lwm2m_server.ca.rollover import renew_ca

    directory = CaDirectory(data)
    try:
        made = renew_ca(directory, _certifier(issuer, certificate), _now())
    except (CaDirectoryError, OSError) as error:
        fail(Exit.REFUSED, str(error))
    show(output, _row(directory.certificate, made, directory.request))


def roll(  # noqa: PLR0917 - one parameter per option
    data: Data,
    issuer: Parent = None,
    certificate: Certificate = None,
    key: Annotated[str | None, typer.Option("--key", help="pkcs11: URI of the new key in a token.")] = None,
    switch: Annotated[bool, typer.Option("--switch", help="Let the prepared key issue from now on.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Replace a CA's key: first prepare the new one; then, when all have its certificate as an anchor, --switch.

    The first call leaves next/ca.pem to give to others. A CA beneath another without --issuer leaves next/ca.csr: have
    it certified, and run this again with --certificate. Restart the CA after --switch.
    """
    from lwm2m_server.ca import rollover
    from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError

    directory, made = CaDirectory(data), None
    try:
        if switch:
            made = rollover.switch(directory, _now())
        else:
            made = rollover.prepare(directory, _certifier(issuer, certificate), _now(), key_uri=key)
    except (CaDirectoryError, OSError) as error:
        fail(Exit.REFUSED, str(error))
    place = directory if switch else directory.following
    show(output, _row(place.certificate, made, place.request))


def _certifier(issuer: Path | None, certificate: Path | None) -> Any:
    from lwm2m_server.ca.directory import CaDirectory
    from lwm2m_server.ca.rollover import Certifier

    return Certifier(None if issuer is None else CaDirectory(issuer), certificate)


def _row(file: Path, made: x509.Certificate | None, request: Path) -> dict[str, str]:
    from device_pki.fingerprints import fingerprint

    if made is None:
        return {"request": str(request)}
    return {
        "certificate": str(file),
        "fingerprint": fingerprint(made).hex(),
        "not_after": f"{made.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)
