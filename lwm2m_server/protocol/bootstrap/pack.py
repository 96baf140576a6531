"""Bootstrap-Pack: everything a device gets in one payload (LwM2M Core 1.2, 6.1.7.10)."""

from __future__ import annotations

from lwm2m_server.protocol.bootstrap.instances import UNKNOWN, instances_of
from lwm2m_server.protocol.bootstrap.profile import Profile
from objects.formats import Format, composite
from objects.model import ObjectModel
from objects.nodes import walk


def pack(profile: Profile, content_format: Format, model: ObjectModel) -> bytes:
    """The payload. Its instances are the device's whole set: numbered from 0, those of Security from 1."""
    instances = instances_of(profile, UNKNOWN)
    values = {place: value for path, node in instances.items() for place, value in walk(path, node)}
    return composite.encode_values(content_format, values, model)
