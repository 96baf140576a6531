"""Registered numbers of SUIT manifests (draft-ietf-suit-manifest-37, section 11), one enum per registry."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class SuitTag(IntEnum):
    """CBOR tags."""

    ENVELOPE = 107
    PEN = 112
    MANIFEST = 1070


class EnvelopeKey(IntEnum):
    """Elements of the envelope; text keys are integrated payloads."""

    AUTHENTICATION_WRAPPER = 2
    MANIFEST = 3
    PAYLOAD_FETCH = 16
    INSTALL = 20
    TEXT = 23


class ManifestKey(IntEnum):
    """Elements of the manifest."""

    ENCODING_VERSION = 1
    SEQUENCE_NUMBER = 2
    COMMON = 3
    REFERENCE_URI = 4
    VALIDATE = 7
    LOAD = 8
    INVOKE = 9
    PAYLOAD_FETCH = 16
    INSTALL = 20
    TEXT = 23


class CommonKey(IntEnum):
    """Elements of the common data."""

    COMPONENTS = 2
    SHARED_SEQUENCE = 4


class CommandCode(IntEnum):
    """Commands: conditions test, directives act."""

    CONDITION_VENDOR_IDENTIFIER = 1
    CONDITION_CLASS_IDENTIFIER = 2
    CONDITION_IMAGE_MATCH = 3
    CONDITION_COMPONENT_SLOT = 5
    CONDITION_CHECK_CONTENT = 6
    DIRECTIVE_SET_COMPONENT_INDEX = 12
    CONDITION_ABORT = 14
    DIRECTIVE_TRY_EACH = 15
    DIRECTIVE_WRITE = 18
    DIRECTIVE_OVERRIDE_PARAMETERS = 20
    DIRECTIVE_FETCH = 21
    DIRECTIVE_COPY = 22
    DIRECTIVE_INVOKE = 23
    CONDITION_DEVICE_IDENTIFIER = 24
    DIRECTIVE_SWAP = 31
    DIRECTIVE_RUN_SEQUENCE = 32


class ParameterKey(IntEnum):
    """Parameters of commands."""

    VENDOR_IDENTIFIER = 1
    CLASS_IDENTIFIER = 2
    IMAGE_DIGEST = 3
    COMPONENT_SLOT = 5
    STRICT_ORDER = 12
    SOFT_FAILURE = 13
    IMAGE_SIZE = 14
    CONTENT = 18
    URI = 21
    SOURCE_COMPONENT = 22
    INVOKE_ARGS = 23
    DEVICE_IDENTIFIER = 24
    FETCH_ARGUMENTS = 25


class TextKey(IntEnum):
    """Texts about the manifest."""

    MANIFEST_DESCRIPTION = 1
    UPDATE_DESCRIPTION = 2
    MANIFEST_JSON_SOURCE = 3
    MANIFEST_YAML_SOURCE = 4


class ComponentTextKey(IntEnum):
    """Texts about a component."""

    VENDOR_NAME = 1
    MODEL_NAME = 2
    VENDOR_DOMAIN = 3
    MODEL_INFO = 4
    COMPONENT_DESCRIPTION = 5
    COMPONENT_VERSION = 6


class DigestAlgorithm(IntEnum):
    """Hash algorithms of SUIT_Digest (COSE Algorithms registry)."""

    SHA_256 = -16
    SHAKE128 = -18
    SHA_384 = -43
    SHA_512 = -44
    SHAKE256 = -45


class ReportPolicy(IntFlag):
    """What a command asks the recipient to record."""

    NONE = 0
    RECORD_ON_SUCCESS = 1
    RECORD_ON_FAILURE = 2
    SYSINFO_ON_SUCCESS = 4
    SYSINFO_ON_FAILURE = 8
    ALL = 15


class ReportReason(IntEnum):
    """Why processing ended (draft-ietf-suit-report)."""

    OK = 0
    CBOR_PARSE = 1
    COSE_UNSUPPORTED = 2
    ALG_UNSUPPORTED = 3
    UNAUTHORISED = 4
    COMMAND_UNSUPPORTED = 5
    COMPONENT_UNSUPPORTED = 6
    COMPONENT_UNAUTHORISED = 7
    PARAMETER_UNSUPPORTED = 8
    SEVERING_UNSUPPORTED = 9
    CONDITION_FAILED = 10
    OPERATION_FAILED = 11
    INVOKE_PENDING = 12


ENCODING_VERSION = 1
"""The one version of the encoding this draft defines."""
