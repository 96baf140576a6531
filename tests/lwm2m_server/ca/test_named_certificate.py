"""A CA that names its certificate in EDHOC, which devices must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_pki.identity import PeerIdentity
from lwm2m_server.ca.directory import read_certificates
from lwm2m_server.fleet.profiles import Profile
from lwm2m_server.sizes.compact import edhoc_of
from lwm2m_server.sizes.parties import Parties
from lwm2m_server.sizes.servers import serving_ca
from secure_coap.channels.oscore import OscoreClientConfig
from secure_coap.endpoint import CoapClient
from secure_coap.errors import HandshakeFailed


@pytest.mark.parametrize("held", [True, False])
async def test_a_device_needs_the_certificate(tmp_path: Path, held: bool) -> None:
    parties = await Parties.make(tmp_path)
    config = OscoreClientConfig(edhoc=edhoc_of(parties, Profile.COMPACT, by_reference=held))
    async with serving_ca(parties, by_reference=True) as taps:
        connecting = CoapClient.connect(*taps.oscore.address, oscore=config)
        if not held:
            with pytest.raises(HandshakeFailed):
                await connecting
            return
        client = await connecting
        peer = client.association.peer
        assert isinstance(peer, PeerIdentity)
        assert peer.certificate == read_certificates(parties.ca2.est.certificate)[0]
        await client.close()
