"""Registered numbers of SUIT manifests, one enum per registry.

draft-ietf-suit-manifest-37 section 11, with the extensions of draft-ietf-suit-trust-domains, -update-management,
-firmware-encryption and -report.
"""

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
    COSWID = 14
    DEPENDENCY_RESOLUTION = 15
    PAYLOAD_FETCH = 16
    CANDIDATE_VERIFICATION = 18
    INSTALL = 20
    TEXT = 23


class ManifestKey(IntEnum):
    """Elements of the manifest."""

    ENCODING_VERSION = 1
    SEQUENCE_NUMBER = 2
    COMMON = 3
    REFERENCE_URI = 4
    COMPONENT_ID = 5
    SET_VERSION = 6
    VALIDATE = 7
    LOAD = 8
    INVOKE = 9
    COSWID = 14
    DEPENDENCY_RESOLUTION = 15
    PAYLOAD_FETCH = 16
    CANDIDATE_VERIFICATION = 18
    INSTALL = 20
    TEXT = 23
    UNINSTALL = 24


class CommonKey(IntEnum):
    """Elements of the common data."""

    DEPENDENCIES = 1
    COMPONENTS = 2
    SHARED_SEQUENCE = 4


class DependencyKey(IntEnum):
    """Metadata of a dependency."""

    PREFIX = 1


class CommandCode(IntEnum):
    """Commands: conditions test, directives act."""

    CONDITION_VENDOR_IDENTIFIER = 1
    CONDITION_CLASS_IDENTIFIER = 2
    CONDITION_IMAGE_MATCH = 3
    CONDITION_USE_BEFORE = 4
    CONDITION_COMPONENT_SLOT = 5
    CONDITION_CHECK_CONTENT = 6
    CONDITION_DEPENDENCY_INTEGRITY = 7
    CONDITION_IS_DEPENDENCY = 8
    DIRECTIVE_PROCESS_DEPENDENCY = 11
    DIRECTIVE_SET_COMPONENT_INDEX = 12
    CONDITION_ABORT = 14
    DIRECTIVE_TRY_EACH = 15
    DIRECTIVE_WRITE = 18
    DIRECTIVE_SET_PARAMETERS = 19
    DIRECTIVE_OVERRIDE_PARAMETERS = 20
    DIRECTIVE_FETCH = 21
    DIRECTIVE_COPY = 22
    DIRECTIVE_INVOKE = 23
    CONDITION_DEVICE_IDENTIFIER = 24
    CONDITION_IMAGE_NOT_MATCH = 25
    CONDITION_MINIMUM_BATTERY = 26
    CONDITION_UPDATE_AUTHORIZED = 27
    CONDITION_VERSION = 28
    DIRECTIVE_WAIT = 29
    DIRECTIVE_SWAP = 31
    DIRECTIVE_RUN_SEQUENCE = 32
    DIRECTIVE_UNLINK = 33
    DIRECTIVE_OVERRIDE_MULTIPLE = 34
    DIRECTIVE_COPY_PARAMETERS = 35


class ParameterKey(IntEnum):
    """Parameters of commands."""

    VENDOR_IDENTIFIER = 1
    CLASS_IDENTIFIER = 2
    IMAGE_DIGEST = 3
    USE_BEFORE = 4
    COMPONENT_SLOT = 5
    STRICT_ORDER = 12
    SOFT_FAILURE = 13
    IMAGE_SIZE = 14
    CONTENT = 18
    ENCRYPTION_INFO = 19
    URI = 21
    SOURCE_COMPONENT = 22
    INVOKE_ARGS = 23
    DEVICE_IDENTIFIER = 24
    FETCH_ARGUMENTS = 25
    MINIMUM_BATTERY = 26
    UPDATE_PRIORITY = 27
    VERSION = 28
    WAIT_INFO = 29
    COMPONENT_METADATA = 30


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
    VERSION_REQUIRED = 7
    CURRENT_VERSION = 8


class VersionComparison(IntEnum):
    """How a component's version must compare with the one named."""

    GREATER = 1
    GREATER_EQUAL = 2
    EQUAL = 3
    LESSER_EQUAL = 4
    LESSER = 5


class WaitEvent(IntEnum):
    """What an update may wait for."""

    AUTHORIZATION = 1
    POWER = 2
    NETWORK = 3
    OTHER_DEVICE_VERSION = 4
    TIME = 5
    TIME_OF_DAY = 6
    DAY_OF_WEEK = 7
    TIME_OF_DAY_UTC = 8
    DAY_OF_WEEK_UTC = 9


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


class ReportKey(IntEnum):
    """Elements of a SUIT report."""

    NONCE = 2
    RECORDS = 3
    RESULT = 4
    RESULT_CODE = 5
    RESULT_RECORD = 6
    RESULT_REASON = 7
    CAPABILITY_REPORT = 8
    REFERENCE = 99


class CapabilityKey(IntEnum):
    """Elements of a capability report."""

    COMPONENTS = 1
    COMMANDS = 2
    PARAMETERS = 3
    ALGORITHMS = 4
    ENVELOPE = 5
    MANIFEST = 6
    COMMON = 7
    TEXT = 8
    TEXT_COMPONENT = 9
    DEPENDENCY = 10


SYSTEM_COMPONENT_ID = 0
"""Key of the component identifier in system-property-claims."""
ENCODING_VERSION = 1
"""The one version of the encoding this draft defines."""
