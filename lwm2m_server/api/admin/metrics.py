"""`GET /metrics` for Prometheus and `GET /health`; no token, no device's words in them (security rule 33)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lwm2m_server.api.admin.common import FirmwareService, Server
from lwm2m_server.server.firmware.service import Firmware
from lwm2m_server.server.server import Lwm2mServer

router = APIRouter()


@router.get("/health")
async def health(server: Server) -> dict[str, str | int]:
    """Says that the process answers, and how many devices are registered."""
    return {"status": "ok", "registrations": len(server.registrations)}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(server: Server, firmware: FirmwareService) -> PlainTextResponse:
    """Everything that is counted, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServerCollector(server, firmware))
    return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")


class ServerCollector(Collector):
    """Reads the server's own counters when Prometheus asks; nothing is counted twice."""

    def __init__(self, server: Lwm2mServer, firmware: Firmware) -> None:
        self._server = server
        self._firmware = firmware

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        server = self._server
        yield GaugeMetricFamily("lwm2m_sessions", "Open CoAP associations.", len(server.associations))
        yield _by_label("lwm2m_coap_events", "What the CoAP endpoints counted.", "event", server.coap_counters())
        yield _by_label("lwm2m_requests", "Requests of devices, by interface.", "interface", server.requests)
        yield from _registration(server)
        yield from _reporting(server)
        waiting = server.queues.devices_waited_for
        yield GaugeMetricFamily("lwm2m_queue_devices", "Devices for which operations wait.", waiting)
        yield _by_label("lwm2m_queue_outcomes", "Ended entries of queues.", "outcome", server.queues.outcomes)
        yield _by_label("lwm2m_firmware_updates", "Ended updates of components.", "phase", self._firmware.ended)


def _registration(server: Lwm2mServer) -> Iterator[Metric]:
    counters = server.registration_counters
    yield GaugeMetricFamily("lwm2m_registrations", "Registered devices.", len(server.registrations))
    yield GaugeMetricFamily("lwm2m_store_waiting", "Registrations on their way to the disk.", server.store_waiting)
    succeeded = {"register": counters.registered, "update": counters.updated, "deregister": counters.deregistered}
    yield _by_label("lwm2m_registration_requests", "Requests to /rd that succeeded.", "kind", succeeded)
    yield CounterMetricFamily("lwm2m_registrations_expired", "Registrations that ran out.", counters.expired)
    what = "Refused requests to /rd, by response code and by the limit they met."
    yield _by_label("lwm2m_registration_refusals", what, "reason", counters.refused)


def _reporting(server: Lwm2mServer) -> Iterator[Metric]:
    counters = server.report_counters
    yield GaugeMetricFamily("lwm2m_observations", "Observations of devices.", len(server.observing))
    came = {"notification": counters.notified, "send": counters.sent}
    yield _by_label("lwm2m_reports", "Notifications and Sends of devices.", "kind", came)
    yield CounterMetricFamily(
        "lwm2m_notifications_unusable", "Notifications that could not be read.", counters.unusable
    )
    yield CounterMetricFamily("lwm2m_observations_ended", "Observations ended by a device's error.", counters.ended)
    yield _by_label("lwm2m_send_refusals", "Refused Sends, by response code.", "reason", counters.refused)


def _by_label(name: str, help_text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
