"""`lwm2m-server factory`: what a service provider does before its devices leave the building."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_server.cli.common import Exit, Format, Output, fail, read_file, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enrollment.factory_run import FactoryRun

app = typer.Typer(no_args_is_help=True, help="Have the permanent CA certify devices.", rich_markup_mode=None)

MAX_REQUESTS_SIZE = 256 * 1024 * 1024
"""Bytes of the largest file of requests, a million devices."""
MAX_EXPORTED = 1_000_000
"""Certificates in the largest bag that is read."""
BAG_SIZE = 20_000
"""Certificates in one file, as many as `devices add` takes at a time."""


class BagFormat(StrEnum):
    """How certificates are written."""

    X5BAG = "x5bag"
    C5B = "c5b"


BagSize = Annotated[int, typer.Option(min=1, help="Certificates in one file; more go into numbered files.")]
As = Annotated[BagFormat, typer.Option("--format", help="Certificates as X.509 (x5bag) or re-encoded as C509 (c5b).")]


@app.callback()
def _group() -> None:
    """Have the permanent CA certify devices."""


@app.command()
def certify(  # noqa: PLR0917 - one parameter per option
    csrs: Annotated[Path, typer.Option(help="CBOR array of PKCS#10 or C509 requests, as the factory station made it.")],
    out: Annotated[Path, typer.Option("--out", help="File for the factory certificates.")],
    ca_api: Annotated[str, typer.Option(help="The permanent CA's API: https://host:port.")],
    ca_certificate: Annotated[Path, typer.Option(help="Its TLS certificate (PEM), which is pinned.")],
    data: Annotated[Path, typer.Option(help="This provider's data folder: its HTTPS key authenticates it.")],
    bag_format: As = BagFormat.X5BAG,
    bag_size: BagSize = BAG_SIZE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the requests and send none.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Send the requests in batches, and write the certificates in the same order.

    A run that was stopped or killed goes on where it was when the same command is given again; a key that has a
    certificate gets no other.
    """
    from enrollment.ca_client import MAX_BATCH
    from enrollment.factory_run import FactoryRun, RunError

    requests = _requests(csrs)
    if dry_run:
        show(output, _checked(requests))
        return
    run = FactoryRun(requests, out.with_name(f"{out.name}.journal"), MAX_BATCH)
    try:
        before = run.resume()
        _go_on(run, len(requests), ca_api=ca_api, ca_certificate=ca_certificate, data=data)
        files = _write(run.certificates, out, bag_format, bag_size)
    except RunError as error:
        fail(Exit.REFUSED, str(error))
    except (OSError, ValueError) as error:
        fail(Exit.REFUSED, f"{error}; check the files named on the command line")
    run.finish()
    show(output, {"certificates": len(requests), "already there": before, "files": [str(file) for file in files]})


@app.command()
def export(
    bag: Annotated[Path, typer.Argument(help="x5bag or c5b of factory certificates.")],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    bag_format: As = BagFormat.X5BAG,
    bag_size: BagSize = BAG_SIZE,
    output: Format = Output.TABLE,
) -> None:
    """Write factory certificates in the other format, or into more files."""
    from device_pki.bag import BagError
    from device_pki.fingerprints import der
    from lwm2m_server.fleet.errors import Rejected
    from lwm2m_server.fleet.factory_certificates import read_bag

    try:
        certificates = [der(one) for one in read_bag(read_file(bag), MAX_EXPORTED)]
        files = _write(certificates, out, bag_format, bag_size)
    except (Rejected, BagError, OSError) as error:
        fail(Exit.REFUSED, f"{bag}: {error}")
    show(output, {"certificates": len(certificates), "files": [str(file) for file in files]})


def _requests(path: Path) -> list[bytes]:
    from cose.cbor import CborError, decode

    try:
        requests = decode(read_file(path), max_size=MAX_REQUESTS_SIZE)
    except CborError as error:
        fail(Exit.REFUSED, f"{path} is no CBOR array of requests: {error}")
    if not isinstance(requests, list) or not requests or not all(isinstance(item, bytes) for item in requests):
        fail(Exit.REFUSED, f"{path} is no CBOR array of PKCS#10 or C509 requests")
    return requests


def _checked(requests: Sequence[bytes]) -> dict[str, object]:
    """What the CA would look at itself: forms, signatures, and that no name and no key comes twice."""
    import asyncio

    from enrollment.factory_batches import BatchRefused, check_batch

    try:
        asyncio.run(check_batch(requests))
    except BatchRefused as refused:
        first = "; ".join(f"request {one.index + 1}: {one.reason}" for one in refused.refused[:5])
        fail(Exit.REFUSED, f"{len(refused.refused)} of {len(requests)} requests cannot be certified: {first}")
    return {"requests": len(requests), "good": len(requests), "sent": 0}


def _go_on(run: FactoryRun, total: int, *, ca_api: str, ca_certificate: Path, data: Path) -> None:
    import asyncio

    import httpx
    from cryptography import x509

    from enrollment.ca_client import CaApiError, CaClient
    from lwm2m_server.api.mutual_tls import pinned_client_context
    from lwm2m_server.cli.factory_progress import showing
    from lwm2m_server.provider_keys import KeyRole, certificate_path, key_path

    server = x509.load_pem_x509_certificate(ca_certificate.read_bytes())
    context = pinned_client_context(certificate_path(data, KeyRole.HTTPS), key_path(data, KeyRole.HTTPS), server)

    async def go_on() -> None:
        async with CaClient(ca_api, context) as ca:
            with showing(len(run.certificates), total) as progress:
                await run.go_on(ca.certify_batch, progress)

    resume = "; give the same command again to go on from there"
    try:
        asyncio.run(go_on())
    except CaApiError as error:
        fail(Exit.UNAVAILABLE if error.temporary else Exit.REFUSED, f"the CA refused: {error}{resume}")
    except httpx.TransportError as error:
        fail(Exit.UNAVAILABLE, f"{ca_api} does not answer ({error}): start the CA, or name the right --ca-api{resume}")


def _write(certificates: Sequence[bytes], out: Path, bag_format: BagFormat, bag_size: int) -> list[Path]:
    """Write the bags; returns their files: `out`, or numbered ones beside it."""
    from cryptography import x509

    from cose.files import write_durably
    from device_pki.bag import encode_c5b, encode_x5bag
    from device_pki.c509 import encode_certificate

    parts = [certificates[start : start + bag_size] for start in range(0, len(certificates), bag_size)]
    files = [out] if len(parts) == 1 else [out.with_stem(f"{out.stem}-{n}") for n in range(1, len(parts) + 1)]
    for file, part in zip(files, parts, strict=True):
        if bag_format is BagFormat.C5B:
            bag = encode_c5b([encode_certificate(x509.load_der_x509_certificate(der)) for der in part])
        else:
            bag = encode_x5bag(part)
        write_durably(file, bag, 0o644)
    return files
