"""Manifests of this product, composed of the draft's templates (section 7).

manifest = firmware_update(sequence_number=4, image=image, vendor_id=vendor, class_id=kind)
envelope = sign(manifest, key, payloads={IMAGE_URI: image})
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from suit.commands import Alternatives, Command, CommandSequence, Index, Override
from suit.common import ComponentId
from suit.digest import Digest
from suit.manifest import Manifest
from suit.numbers import CommandCode, ManifestKey, ParameterKey, ReportPolicy
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


def firmware_update(
    *,
    sequence_number: int,
    image: bytes,
    vendor_id: bytes,
    class_id: bytes,
    component: Sequence[str | bytes] = IMAGE,
    uri: str = IMAGE_URI,
) -> Manifest:
    """Install `image` as `component` and start it. The image lies in the envelope under `uri`."""
    return Manifest(
        sequence_number=sequence_number,
        components=(component_id(component),),
        shared=identity_check(vendor_id, class_id, image_parameters(image)),
        sequences={
            ManifestKey.VALIDATE: IMAGE_MATCH,
            ManifestKey.INVOKE: INVOKE,
            ManifestKey.INSTALL: download(uri),
        },
    )


def reset_to_agreed_state(
    *,
    sequence_number: int,
    image: bytes,
    configuration: bytes,
    vendor_id: bytes,
    class_id: bytes,
    install_image: bool = False,
    application_data: bytes = b"",
) -> Manifest:
    """The state two providers agree on: this image, this configuration, this application data (none by default).

    The configuration lies in the envelope under CONFIGURATION_URI. The image must be on the device, or, with
    `install_image`, lies in the envelope under IMAGE_URI and is installed where it is not there yet.
    """
    present: CommandSequence = IMAGE_MATCH
    if install_image:
        present = (Command(CommandCode.DIRECTIVE_TRY_EACH, Alternatives((IMAGE_MATCH, download(IMAGE_URI)))),)
    check_data = command(CommandCode.CONDITION_CHECK_CONTENT)
    return Manifest(
        sequence_number=sequence_number,
        components=tuple(component_id(c) for c in (IMAGE, CONFIGURATION, APPLICATION_DATA)),
        shared=(
            select(0),
            *identity_check(vendor_id, class_id, image_parameters(image)),
            select(1),
            override(image_parameters(configuration)),
            select(2),
            override({ParameterKey.CONTENT: application_data}),
        ),
        sequences={
            ManifestKey.VALIDATE: (select(0, 1), *IMAGE_MATCH, select(2), check_data),
            ManifestKey.INVOKE: (select(0), *INVOKE),
            ManifestKey.INSTALL: (
                *(select(0), *present),
                *(select(1), *download(CONFIGURATION_URI)),
                *(select(2), command(CommandCode.DIRECTIVE_WRITE, ReportPolicy.RECORD_ON_FAILURE), check_data),
            ),
        },
    )
