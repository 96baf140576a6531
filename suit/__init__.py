"""SUIT manifests (draft-ietf-suit-manifest): build, sign, verify, process."""

from suit.builder import Builder, Component
from suit.common import ComponentId
from suit.digest import Digest
from suit.envelope import MAX_SIZE, MAX_SIZE_WITH_IMAGE, Envelope, VerifiedEnvelope, parse_envelope, sign
from suit.errors import ConditionFailed, SuitError, SuitReason
from suit.manifest import Manifest, parse_manifest
from suit.processor import ProcessResult, check_sequence, invoke, process
from suit.recipient import DeviceDescription
from suit.series import Series
from suit.store import ComponentStore
from suit.templates import (
    APPLICATION_DATA,
    CONFIGURATION,
    CONFIGURATION_URI,
    IMAGE,
    IMAGE_URI,
    component_id,
)

__all__ = [
    "APPLICATION_DATA",
    "CONFIGURATION",
    "CONFIGURATION_URI",
    "IMAGE",
    "IMAGE_URI",
    "MAX_SIZE",
    "MAX_SIZE_WITH_IMAGE",
    "Builder",
    "Component",
    "ComponentId",
    "ComponentStore",
    "ConditionFailed",
    "DeviceDescription",
    "Digest",
    "Envelope",
    "Manifest",
    "ProcessResult",
    "Series",
    "SuitError",
    "SuitReason",
    "VerifiedEnvelope",
    "check_sequence",
    "component_id",
    "invoke",
    "parse_envelope",
    "parse_manifest",
    "process",
    "sign",
]
