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
        counters = server.registration_counters
        yield GaugeMetricFamily("lwm2m_registrations", "Registered devices.", len(server.registrations))
        yield GaugeMetricFamily("lwm2m_sessions", "Open CoAP associations.", len(server.associations))
        yield GaugeMetricFamily("lwm2m_store_waiting", "Registrations on their way to the disk.", server.store_waiting)
        asked = CounterMetricFamily("lwm2m_requests", "Requests of devices, by interface.", labels=["interface"])
        for interface, count in sorted(server.requests.items()):
            asked.add_metric([interface], count)
        yield asked
        done = CounterMetricFamily(
            "lwm2m_registration_requests", "Requests of the registration interface that succeeded.", labels=["kind"]
        )
        done.add_metric(["register"], counters.registered)
        done.add_metric(["update"], counters.updated)
        done.add_metric(["deregister"], counters.deregistered)
        yield done
        yield CounterMetricFamily("lwm2m_registrations_expired", "Registrations that ran out.", counters.expired)
        refused = CounterMetricFamily(
            "lwm2m_registration_refusals", "Refused requests, by response code or limit.", labels=["reason"]
        )
        for reason, count in sorted(counters.refused.items()):
            refused.add_metric([reason], count)
        yield refused
        waiting = server.queues.devices_waited_for
        yield GaugeMetricFamily("lwm2m_queue_devices", "Devices for which operations wait.", waiting)
        yield _by_label("lwm2m_queue_outcomes", "Ended entries of queues.", "outcome", server.queues.outcomes)
        yield _by_label("lwm2m_firmware_updates", "Ended updates of components.", "phase", self._firmware.ended)
        yield GaugeMetricFamily("lwm2m_observations", "Observations of devices.", len(server.observing))
        reports = server.report_counters
        reported = CounterMetricFamily("lwm2m_reports", "Notifications and Sends of devices.", labels=["kind"])
        reported.add_metric(["notification"], reports.notified)
        reported.add_metric(["send"], reports.sent)
        yield reported
        yield CounterMetricFamily(
            "lwm2m_notifications_unusable", "Notifications that could not be read.", reports.unusable
        )
        yield CounterMetricFamily("lwm2m_observations_ended", "Observations ended by a device's error.", reports.ended)
        unsent = CounterMetricFamily("lwm2m_send_refusals", "Refused Sends, by response code.", labels=["reason"])
        for reason, count in sorted(reports.refused.items()):
            unsent.add_metric([reason], count)
        yield unsent
        happened = CounterMetricFamily("lwm2m_coap_events", "What the CoAP endpoints counted.", labels=["event"])
        for event, count in sorted(server.coap_counters().items()):
            happened.add_metric([event], count)
        yield happened


def _by_label(name: str, help_text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
