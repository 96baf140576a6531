"""Keys that devices without certificates sign SUIT reports with."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from lwm2m_server.api.admin.common import Server, View
from lwm2m_server.fleet.errors import Rejected, Unknown
from lwm2m_server.store import report_keys as store
from lwm2m_server.store.report_keys import ReportKey

router = APIRouter()


class NewReportKey(BaseModel):
    """`public_key`: P-256 or Ed25519, PEM."""

    model_config = ConfigDict(extra="forbid")

    public_key: str = Field(max_length=4096)


@router.get("/report-keys")
async def list_keys(server: Server) -> list[View]:
    """All keys, by endpoint name."""
    async with server.database.reading() as connection:
        return [_view(key) for key in await store.everything(connection)]


@router.put("/report-keys/{endpoint}")
async def put_key(server: Server, endpoint: str, key: NewReportKey) -> View:
    """Verify this device's reports by this key, unless its session proves another one; it replaces the one before."""
    added = ReportKey(endpoint, _public(key.public_key), server.clock.seconds())
    async with server.database.transaction() as connection:
        await store.put(connection, added)
    return _view(added)


@router.delete("/report-keys/{endpoint}")
async def remove_key(server: Server, endpoint: str) -> View:
    """Believe no report of this device any more that is signed with it."""
    async with server.database.transaction() as connection:
        removed = await store.remove(connection, endpoint)
    if not removed:
        raise Unknown("a key of this device")
    return {"endpoint": endpoint}


def _public(pem: str) -> bytes:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise Rejected("a public key in PEM is expected") from error
    on_p256 = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if not on_p256 and not isinstance(key, ed25519.Ed25519PublicKey):
        raise Rejected("keys that sign reports are P-256 or Ed25519")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _view(key: ReportKey) -> View:
    pem = load_der_public_key(key.public_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"endpoint": key.endpoint, "added_at": key.added_at, "public_key": pem.decode()}
