"""An operational CA: labels, one certificate per key, refusals, revocations."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from tests.trust_transfer.simulator.actor import Actor


@dataclass
class Label:
    """What the CA stores about the device under one label (one provider, one epoch)."""

    open: bool = True
    certificates: dict[bytes, bytes] = field(default_factory=dict)
    refused_keys: set[bytes] = field(default_factory=set)
    revoked: set[bytes] = field(default_factory=set)
    issued_at: dict[bytes, int] = field(default_factory=dict)


class Authority(Actor):
    """CA1 or CA2."""

    dead = False
    labels: dict[str, Label]

    def open_label(self, name: str) -> None:
        """The provider registers the device under a label; again is no change."""
        self.labels.setdefault(name, Label())

    def refuse(self, name: str) -> None:
        """The operator removes the device's entry, which makes sense only before a certificate is out."""
        if not self.labels[name].certificates:
            self.labels[name].open = False

    def accepts(self, certificate: bytes) -> bool:
        """Whether a certificate is this CA's and not revoked."""
        return any(
            certificate in label.certificates.values() and certificate not in label.revoked
            for label in self.labels.values()
        )

    def on_enroll(self, device: Actor, name: str, key: bytes, token: int) -> None:
        """A CSR with this key, authenticated by the factory certificate."""
        label = self.labels.get(name)
        if self.dead or label is None:
            return
        known = label.certificates.get(key)
        if key in label.refused_keys or (known is None and not label.open):
            self.send(device, "on_enrollment_refused", token)
            return
        if known is None:
            known = b"%s %s %s" % (self.name.encode(), name.encode(), key)
            self.write(partial(self._issue, label, key, known))
        self.send(device, "on_certificate", token, key, known)

    def _issue(self, label: Label, key: bytes, certificate: bytes) -> None:
        label.certificates[key] = certificate
        label.issued_at[certificate] = self.now

    def issued_at(self, certificate: bytes) -> int:
        """When a certificate was issued (s since 1970)."""
        return max(label.issued_at.get(certificate, 0) for label in self.labels.values())

    def on_close_and_revoke(self, provider: Actor, name: str, epoch: int) -> None:
        """The provider's device has left: close the entry, revoke everything issued under the label."""
        label = self.labels[name]

        def close() -> None:
            label.open = False
            label.revoked |= set(label.certificates.values())

        self.write(close)
        self.send(provider, "on_closed", epoch)

    def on_revoke_key(self, provider: Actor, name: str, key: bytes) -> None:
        """The device fell back: refuse this key, revoke its certificate."""
        label = self.labels[name]

        def refuse() -> None:
            label.refused_keys.add(key)
            label.revoked |= {label.certificates[key]} if key in label.certificates else set()

        self.write(refuse)
        self.send(provider, "on_key_refused", key)
