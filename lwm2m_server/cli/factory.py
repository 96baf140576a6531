"""`lwm2m-server factory`: what a service provider does before its devices leave the building."""

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Exit, fail

app = typer.Typer(no_args_is_help=True, help="Have the permanent CA certify devices.")


@app.callback()
def _group() -> None:
    """Have the permanent CA certify devices."""


@app.command()
def certify(
    csrs: Annotated[Path, typer.Option(help="CBOR array of PKCS#10 requests, as the factory station made it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the factory certificates go (x5bag).")],
    ca_api: Annotated[str, typer.Option(help="The permanent CA's API: https://host:port.")],
    ca_certificate: Annotated[Path, typer.Option(help="Its TLS certificate (PEM), which is pinned.")],
    data: Annotated[Path, typer.Option(help="This provider's data folder: its HTTPS key authenticates it.")],
) -> None:
    """Send the requests in batches, and write the certificates in the same order; may be repeated."""
    import asyncio

    import httpx

    from enrollment.ca_client import CaApiError

    try:
        count = asyncio.run(_certify(csrs, output, ca_api, ca_certificate, data))
    except (OSError, ValueError) as error:
        fail(Exit.REFUSED, f"{error}; check the files named on the command line")
    except CaApiError as error:
        fail(Exit.UNAVAILABLE if error.temporary else Exit.REFUSED, f"the CA refused: {error}")
    except httpx.TransportError as error:
        fail(Exit.UNAVAILABLE, f"{ca_api} does not answer ({error}); start the CA, or name the right --ca-api")
    typer.echo(f"{count} factory certificates in {output}")


async def _certify(csrs: Path, output: Path, ca_api: str, ca_certificate: Path, data: Path) -> int:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from cose import cbor
    from device_pki.bag import encode_x5bag
    from enrollment.ca_client import MAX_BATCH, CaClient
    from lwm2m_server.api.mutual_tls import pinned_client_context
    from lwm2m_server.provider_keys import KeyRole, certificate_path, key_path

    requests = cbor.decode(csrs.read_bytes(), max_size=64 * 1024 * 1024)
    if not isinstance(requests, list) or not all(isinstance(item, bytes) for item in requests):
        raise ValueError(f"{csrs} is no CBOR array of PKCS#10 requests")
    server = x509.load_pem_x509_certificate(ca_certificate.read_bytes())
    own = certificate_path(data, KeyRole.HTTPS), key_path(data, KeyRole.HTTPS)
    certificates: list[bytes] = []
    async with CaClient(ca_api, pinned_client_context(*own, server)) as ca:
        for start in range(0, len(requests), MAX_BATCH):
            batch = await ca.certify_batch(requests[start : start + MAX_BATCH])
            certificates.extend(certificate.public_bytes(Encoding.DER) for certificate in batch)
    output.write_bytes(encode_x5bag(certificates))
    return len(certificates)
