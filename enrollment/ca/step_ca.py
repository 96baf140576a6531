"""step-ca as the authority, by its HTTPS API: we are a registration authority for it, through an X5C provisioner.

Each order carries a token, a JWT signed with the registration authority's key and headed by its certificate, which the
provisioner's root issued. The token is for one request (`cnf`) and says which subject the certificate gets; the
provisioner's template has to take it from there (docs/how-to/use-step-ca.md).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
from jwcrypto.jws import JWS  # type: ignore[import-untyped]

from cose.keys import PrivateKey, PublicKey
from device_pki.certificates import PARSE_ERRORS
from device_pki.fingerprints import der
from device_pki.revocation import MAX_CRL_SIZE, CrlError, parse_crl
from enrollment.bounded_http import bounded_request
from enrollment.ca.backend import CaBackendError
from enrollment.ca.upstream import checked, pkcs10
from enrollment.csr import CheckedCsr

MAX_ANSWER: Final = 64 * 1024
"""Octets of the largest answer to an order."""
_TOKEN_LIFETIME: Final = timedelta(minutes=5)
_ALREADY: Final = "already revoked"


@dataclass(frozen=True, slots=True)
class RegistrationAuthority:
    """Who orders: a P-256 key and its certificate, then those between it and the provisioner's root."""

    key: PrivateKey
    chain: Sequence[x509.Certificate]


@dataclass(frozen=True, slots=True)
class StepCa:
    """Orders certificates and revocations from one step-ca. `http` has its address and trusts its TLS certificate."""

    http: httpx.AsyncClient
    provisioner: str
    authority: RegistrationAuthority
    chain: tuple[x509.Certificate, ...]
    """The intermediate that issues, then those above it, as the operator knows them."""
    certificate_lifetime: timedelta
    distribution_point: str
    """The name step-ca gives its one revocation list."""

    @property
    def earlier(self) -> tuple[x509.Certificate, ...]:
        """step-ca's business."""
        return ()

    @property
    def points(self) -> Collection[str]:
        """Its one list names its distribution point."""
        return (self.distribution_point,)

    async def issue_operational(self, csr: CheckedCsr, subject: x509.Name, now: datetime) -> x509.Certificate:
        """Have a certificate signed for `certificate_lifetime`, as far as the provisioner allows."""
        request = x509.load_der_x509_csr(pkcs10(csr))
        digest = hashlib.sha256(request.public_bytes(Encoding.DER)).digest()
        claims = {"sans": [], "cnf": {"x5rt#S256": _base64url(digest)}, "subject": {"extraNames": _names(subject)}}
        order = {
            "csr": request.public_bytes(Encoding.PEM).decode(),
            "ott": self._token("/1.0/sign", csr.endpoint, now, claims),
            "notAfter": f"{int(self.certificate_lifetime.total_seconds())}s",
        }
        answer = await self._order("/1.0/sign", order)
        try:
            certificate = x509.load_pem_x509_certificate(str(answer["crt"]).encode())
        except (*PARSE_ERRORS, KeyError) as error:
            raise CaBackendError("step-ca answered with no certificate") from error
        return checked(certificate, csr, subject, chain=self.chain, now=now)

    async def issue_factory(self, csr: CheckedCsr, now: datetime) -> x509.Certificate:
        """Never: step-ca issues no certificates without an end."""
        raise CaBackendError("factory certificates are issued by a permanent CA with a key of its own")

    async def issue_responder(
        self, issuer: x509.Certificate, key: PublicKey, lifetime: timedelta, now: datetime
    ) -> x509.Certificate:
        """Never: a registration authority does not answer for the CA."""
        raise CaBackendError("OCSP is answered by the CA itself")

    async def revocation_list(self, revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        """Revoke at step-ca what its list does not name yet, and return that list."""
        listed = await self._list()
        try:
            known = parse_crl(listed, self.chain[0], now, points=self.points).serials
        except CrlError as error:
            raise CaBackendError(f"step-ca's revocation list cannot be used: {error}") from error
        missing = sorted(revoked.keys() - known)
        for serial in missing:
            await self._revoke(serial, now)
        return await self._list() if missing else listed

    async def earlier_lists(
        self, revoked: Mapping[int, datetime], number: int, now: datetime
    ) -> Sequence[tuple[x509.Certificate, bytes]]:
        """None."""
        return ()

    async def _list(self) -> bytes:
        return (await self._ask("GET", "/1.0/crl", MAX_CRL_SIZE)).content

    async def _revoke(self, serial: int, now: datetime) -> None:
        token = self._token("/1.0/revoke", str(serial), now, {})
        order = {"serial": str(serial), "ott": token, "reasonCode": 0, "reason": "", "passive": True}
        try:
            await self._order("/1.0/revoke", order)
        except CaBackendError as error:
            if _ALREADY not in str(error):
                raise

    def _token(self, path: str, subject: str, now: datetime, more: Mapping[str, Any]) -> str:
        """A JWT for one order, headed by our certificates (RFC 7515 4.1.6)."""
        start = int(now.timestamp())
        claims = {
            "iss": self.provisioner,
            "aud": f"{self.http.base_url.join(path)}#x5c/{self.provisioner}",
            "sub": subject,
            "jti": secrets.token_hex(16),
            "iat": start,
            "nbf": start,
            "exp": start + int(_TOKEN_LIFETIME.total_seconds()),
            **more,
        }
        chain = [base64.b64encode(der(certificate)).decode() for certificate in self.authority.chain]
        token = JWS(json.dumps(claims))
        token.add_signature(JWK.from_pyca(self.authority.key), protected=json.dumps({"alg": "ES256", "x5c": chain}))
        return str(token.serialize(compact=True))

    async def _order(self, path: str, order: Mapping[str, Any]) -> Mapping[str, Any]:
        response = await self._ask("POST", path, MAX_ANSWER, json=order)
        try:
            answer = response.json()
        except ValueError as error:
            raise CaBackendError(f"step-ca answered {path} with no JSON") from error
        if not isinstance(answer, dict):
            raise CaBackendError(f"step-ca answered {path} with no JSON object")
        return answer

    async def _ask(self, method: str, path: str, limit: int, **body: Any) -> httpx.Response:
        try:
            response = await bounded_request(self.http, method, path, limit=limit, **body)
        except httpx.HTTPError as error:
            raise CaBackendError(f"step-ca at {self.http.base_url} cannot be reached: {error!r}") from error
        if response.status_code not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            raise CaBackendError(f"step-ca refuses {path}: {response.status_code} {response.text[:300]}")
        return response


def _names(subject: x509.Name) -> list[dict[str, str]]:
    """A subject in the words of step-ca's templates, one attribute after the other as they stand."""
    return [{"type": attribute.oid.dotted_string, "value": str(attribute.value)} for attribute in subject]


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
