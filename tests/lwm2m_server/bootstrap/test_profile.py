"""Profiles: what they may say, what is refused and why, and that nobody sees their keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lwm2m_server.protocol.bootstrap.instances import UNKNOWN, Present, instances_of
from lwm2m_server.protocol.bootstrap.profile import InvalidProfile, Profile
from objects.formats.link_format import Link
from objects.model import MODEL
from objects.path import Path
from tests.lwm2m_server.bootstrap.samples import KEY, account, profile

OSCORE = {"mode": "oscore", "master_secret": KEY.hex(), "sender_id": "01", "recipient_id": "02"}
X509 = {"mode": "x509", "certificate": "30", "private_key": "3031", "server_certificate": "32"}
EVERY_MODE = (
    account(101),
    account(102, mode="nosec"),
    account(103, **X509),
    account(104, mode="est"),
    account(105, **OSCORE),
    account(106, mode="psk"),
)


def test_every_mode_makes_valid_instances() -> None:
    whole = profile(*EVERY_MODE, access_control=[{"object_id": 3, "object_instance_id": 0, "owner": 101}])
    instances = instances_of(whole.with_credential("own", KEY), UNKNOWN)
    assert {path.object for path in instances} == {0, 1, 2, 21}
    for path, node in instances.items():
        assert path.ids[1] == node.id
        for number, resource in node.resources.items():
            definition = MODEL[path.object][number]
            values = resource.instances.values() if hasattr(resource, "instances") else [resource.value]
            for value in values:
                definition.check(value)
        mandatory = {one.id for one in MODEL[path.object].resources.values() if one.mandatory and one.type.value}
        assert mandatory <= node.resources.keys()


def test_new_instances_take_free_numbers() -> None:
    present = Present.of([Link("/0/0"), Link("/0/1", {"ssid": "101"}), Link("/1/0", {"ssid": "101"}), Link("/3/0")])
    instances = instances_of(profile(account(), account(102)), present)
    assert set(instances) == {Path(0, 2), Path(0, 3), Path(1, 1), Path(1, 2)}
    assert present.ending == (Path(0, 1), Path(1, 0))
    assert instances_of(profile(), UNKNOWN).keys() == {Path(0, 1), Path(1, 0)}


def test_through_the_store_and_back() -> None:
    whole = profile(*EVERY_MODE)
    assert Profile.parse(whole.to_json()) == whole


def test_nobody_sees_the_keys() -> None:
    whole = profile(*EVERY_MODE)
    for shown in (repr(whole), json.dumps(whole.view())):
        assert KEY.hex() not in shown
        assert repr(KEY) not in shown
        assert "3031" not in shown


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"security": {"mode": "psk", "identity": "a", "key": "0011"}}, "at least 16"),
        ({"security": {"mode": "psk", "identity": "a"}}, "neither"),
        ({"security": {"mode": "psk", "identity": "a", "key": "zz"}}, "hex"),
        ({"security": {"mode": "rot13"}}, "security"),
        ({"security": {**OSCORE, "recipient_id": "01"}}, "must differ"),
        ({"security": {"mode": "oscore", "sender_id": "01"}}, "none to use the device's own context"),
        ({"security": {**OSCORE, "sender_id": "0102030405060708"}}, "at most 7"),
        ({"uri": "coap://dm.example"}, "coaps://"),
        ({"uri": "coaps://user@dm.example"}, "coaps://"),
        ({"short_server_id": 0}, "greater than or equal to 1"),
        ({"lifetime": 0}, "greater than or equal to 1"),
        ({"binding": "X"}, "pattern"),
        ({"surprise": 1}, "not permitted"),
    ],
)
def test_wrong_profiles_name_the_entry(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidProfile, match=told) as caught:
        profile({**account(), **changes})
    assert "accounts.0" in str(caught.value)


def test_other_wrong_profiles() -> None:
    for text in ("", "[]", "{}", '{"accounts": []}', json.dumps({"accounts": [account(), account()]}), "x" * 70_000):
        with pytest.raises(InvalidProfile):
            Profile.parse(text)


def test_errors_quote_no_key() -> None:
    with pytest.raises(InvalidProfile) as caught:
        profile({**account(mode="psk", identity="a", key="00112233445566"), "lifetime": "secret-of-mine"})
    assert "00112233445566" not in str(caught.value)
    assert "secret-of-mine" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
