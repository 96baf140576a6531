"""A list with 100,000 revoked certificates: signed once, taken in once, and looked up without a search."""

from __future__ import annotations

from datetime import timedelta

import pytest

from device_pki.fingerprints import fingerprint
from device_pki.issue import revocation_list
from device_pki.revocation import MAX_CRL_SIZE, RevocationIndex, RevocationList, RevocationStatus
from tests.device_pki.builders import NOW, root

MANY = 100_000
CA = root("CA1")
DAY = timedelta(days=1)
STRIDE = (2**159 - 1) // MANY


class Counted(int):
    """A serial number that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        type(self).compared += 1
        return int(self) == other

    def __hash__(self) -> int:
        return int.__hash__(self)


@pytest.fixture(scope="module")
def taken() -> tuple[RevocationIndex, RevocationList]:
    index = RevocationIndex()
    der = revocation_list(CA.issuer, {number * STRIDE + 1: NOW for number in range(MANY)}, 1, NOW, NOW + DAY)
    assert len(der) < MAX_CRL_SIZE / 2
    return index, index.add(der, CA.certificate, NOW)


def test_all_of_them_are_there(taken: tuple[RevocationIndex, RevocationList]) -> None:
    index, listed = taken
    assert len(listed.serials) == MANY
    good = CA.operational(CA.device("dev-1")).certificate
    assert index.status(good, NOW, CA.certificate) is RevocationStatus.GOOD


@pytest.mark.parametrize("position", [0, MANY // 2, MANY - 1, None])
def test_a_look_up_compares_a_handful(
    taken: tuple[RevocationIndex, RevocationList], position: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever in the list it stands, or when it is not there at all: what a hash table compares, no more."""
    _, listed = taken
    monkeypatch.setattr(Counted, "compared", 0)
    serial = Counted(4 if position is None else position * STRIDE + 1)
    assert (serial in listed.serials) is (position is not None)
    assert Counted.compared <= 8


def test_a_list_is_found_by_its_issuer(taken: tuple[RevocationIndex, RevocationList]) -> None:
    index, listed = taken
    assert index.newest(CA.certificate) is listed
    assert listed.issuer == fingerprint(CA.certificate)
