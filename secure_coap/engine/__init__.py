"""The sans-IO protocol engine of one association: datagrams, requests and timers in; datagrams and events out."""

from secure_coap.engine.budget import BodyBudget
from secure_coap.engine.engine import Engine
from secure_coap.engine.events import Event, Notified, RequestArrived, RequestFailed, ResponseArrived
from secure_coap.engine.proof import AddressProof
from secure_coap.engine.rng import Rng

__all__ = [
    "AddressProof",
    "BodyBudget",
    "Engine",
    "Event",
    "Notified",
    "RequestArrived",
    "RequestFailed",
    "ResponseArrived",
    "Rng",
]
