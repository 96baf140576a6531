"""Where everything of a run lives: directories, ports, URIs and configuration files."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(slots=True)
class Ports:
    """Free ports of the loopback interface, none given twice in a run."""

    _held: dict[str, int] = field(default_factory=dict)

    def get(self, name: str) -> int:
        if name not in self._held:
            self._held[name] = self._free()
        return self._held[name]

    def _free(self) -> int:
        while True:
            with (
                contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as tcp,
                contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp,
            ):
                tcp.bind((HOST, 0))
                port = int(tcp.getsockname()[1])
                with contextlib.suppress(OSError):
                    udp.bind((HOST, port))
                    if port not in self._held.values():
                        return port


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories below `root`; one per organisation, one for the devices, one for what they exchange."""

    root: Path
    ports: Ports
    lossy: bool

    def organisation(self, name: str) -> Path:
        return self.root / name

    @property
    def devices(self) -> Path:
        return self.root / "devices"

    @property
    def clone(self) -> Path:
        """A copy of one device, taken before its reset."""
        return self.root / "clone"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def exchange(self) -> Path:
        """What organisations hand each other by mail or in person: requests, certificates, profiles."""
        return self.root / "exchange"

    @property
    def messages(self) -> Path:
        return self.root / "messages"

    def make(self) -> None:
        for directory in (self.root, self.devices, self.clone, self.logs, self.exchange, self.messages):
            directory.mkdir(parents=True, exist_ok=True)

    def config(self, name: str) -> Path:
        return self.organisation(name) / "config.toml"

    def coap_bind(self, name: str) -> int:
        return self.ports.get(f"{name}/coap")

    def coap_public(self, name: str) -> int:
        """What devices are told: the server's own port, or that of the lossy relay before it."""
        return self.ports.get(f"{name}/relay") if self.lossy else self.coap_bind(name)

    def coap_uri(self, name: str) -> str:
        return f"coaps://{HOST}:{self.coap_public(name)}"

    def oscore_bind(self, name: str) -> int:
        return self.ports.get(f"{name}/oscore")

    def oscore_public(self, name: str) -> int:
        return self.ports.get(f"{name}/oscore-relay") if self.lossy else self.oscore_bind(name)

    def oscore_uri(self, name: str) -> str:
        """Where devices of the compact profile find an organisation's server."""
        return f"coap://{HOST}:{self.oscore_public(name)}"

    def uris(self, name: str) -> frozenset[str]:
        """Both of them."""
        return frozenset({self.coap_uri(name), self.oscore_uri(name)})

    def https_uri(self, name: str) -> str:
        return f"https://{HOST}:{self.ports.get(f'{name}/https')}"


def write_toml(path: Path, tables: Mapping[str, object]) -> None:
    """Write nested tables as TOML; JSON strings, numbers and arrays are TOML too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_toml_lines(tables, ())) + "\n", encoding="utf-8")


def _toml_lines(table: Mapping[str, object], name: tuple[str, ...]) -> list[str]:
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    if name and lines:
        lines.insert(0, f"[{'.'.join(name)}]")
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines.extend(_toml_lines(value, (*name, key)))
    return lines
