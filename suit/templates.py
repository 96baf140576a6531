"""The draft's templates (section 7): commands and short sequences that manifests are composed of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from suit.commands import Alternatives, Command, CommandSequence, Index, Override
from suit.common import ComponentId
from suit.digest import Digest
from suit.numbers import CommandCode, ParameterKey, ReportPolicy
from suit.parameters import ParameterValue

IMAGE_URI: Final = "#image"
"""Where an integrated image lies in the envelope."""
CONFIGURATION_URI: Final = "#configuration"
"""Where an integrated configuration lies in the envelope."""

IMAGE: Final = ("image",)
CONFIGURATION: Final = ("configuration",)
APPLICATION_DATA: Final = ("data",)


def component_id(parts: Sequence[str | bytes]) -> ComponentId:
    """A component's identifier from text or bytes."""
    return tuple(part.encode() if isinstance(part, str) else part for part in parts)


def command(code: CommandCode, policy: ReportPolicy = ReportPolicy.ALL) -> Command:
    """A condition, or a directive without an argument of its own."""
    return Command(code, policy)


def select(*numbers: int) -> Command:
    """Set-component-index."""
    return Command(CommandCode.DIRECTIVE_SET_COMPONENT_INDEX, Index(numbers))


def override(parameters: dict[ParameterKey, ParameterValue]) -> Command:
    """Override-parameters."""
    return Command(CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS, Override(parameters))


def image_parameters(image: bytes) -> dict[ParameterKey, ParameterValue]:
    """Digest and size of an image."""
    return {ParameterKey.IMAGE_DIGEST: Digest.of(image), ParameterKey.IMAGE_SIZE: len(image)}


def identity_check(
    vendor_id: bytes, class_id: bytes, parameters: dict[ParameterKey, ParameterValue] | None = None
) -> CommandSequence:
    """Compatibility check: sets vendor, class and further parameters, and checks the first two."""
    identity: dict[ParameterKey, ParameterValue] = {
        ParameterKey.VENDOR_IDENTIFIER: vendor_id,
        ParameterKey.CLASS_IDENTIFIER: class_id,
    }
    return (
        override({**identity, **(parameters or {})}),
        command(CommandCode.CONDITION_VENDOR_IDENTIFIER),
        command(CommandCode.CONDITION_CLASS_IDENTIFIER),
    )


def download(uri: str) -> CommandSequence:
    """Component download: fetch, then check what was stored."""
    return (
        override({ParameterKey.URI: uri}),
        command(CommandCode.DIRECTIVE_FETCH, ReportPolicy.RECORD_ON_FAILURE),
        *IMAGE_MATCH,
    )


IMAGE_MATCH: Final[CommandSequence] = (command(CommandCode.CONDITION_IMAGE_MATCH),)
INVOKE: Final[CommandSequence] = (command(CommandCode.DIRECTIVE_INVOKE, ReportPolicy.RECORD_ON_FAILURE),)
CHECK_CONTENT: Final = command(CommandCode.CONDITION_CHECK_CONTENT)
WRITE: Final = command(CommandCode.DIRECTIVE_WRITE, ReportPolicy.RECORD_ON_FAILURE)


def present(*, install: bool, uri: str = IMAGE_URI) -> CommandSequence:
    """The image is there already, or, with `install`, is fetched where it is not."""
    if not install:
        return IMAGE_MATCH
    return (Command(CommandCode.DIRECTIVE_TRY_EACH, Alternatives((IMAGE_MATCH, download(uri)))),)
