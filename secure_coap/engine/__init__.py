"""The sans-IO protocol engine of an endpoint: datagrams, requests and timers in; datagrams and events out."""

from secure_coap.engine.engine import Engine
from secure_coap.engine.events import Event, Notified, ObserverGone, RequestFailed, ResponseArrived
from secure_coap.engine.incoming import Incoming
from secure_coap.engine.link import Link, LinkState
from secure_coap.engine.proof import AddressProof
from secure_coap.engine.rng import Rng
from secure_coap.engine.stream_engine import StreamEngine

__all__ = [
    "AddressProof",
    "Engine",
    "Event",
    "Incoming",
    "Link",
    "LinkState",
    "Notified",
    "ObserverGone",
    "RequestFailed",
    "ResponseArrived",
    "Rng",
    "StreamEngine",
]
