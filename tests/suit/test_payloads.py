"""Which image lies behind which URI, read without running; and envelopes without some of their payloads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cose.keys import generate_private_key
from suit.builder import Builder
from suit.commands import Alternatives, Command, CommandSequence, CopyParameters, Index, Nested, OverrideMultiple
from suit.digest import Digest
from suit.envelope import assemble, parse_envelope, sign
from suit.manifest import Manifest
from suit.numbers import CommandCode, ManifestKey, ParameterKey
from suit.payloads import named_payloads
from suit.templates import command, component_id, download, override, select

KEY = generate_private_key()
ONE, OTHER = Digest.of(b"one"), Digest.of(b"other")
FETCH = command(CommandCode.DIRECTIVE_FETCH)
NAMES = [component_id(["a"]), component_id(["b"])]


@given(
    images=st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.binary(max_size=40), min_size=1, max_size=5)
)
def test_what_a_builder_installs_is_found_and_may_be_left_out(images: dict[str, bytes]) -> None:
    build = Builder(1)
    build.for_devices(bytes(16), bytes(16))
    for name, image in images.items():
        build.install(build.component(name), image, uri=f"#{name}")
    envelope = parse_envelope(sign(build.manifest(), KEY, {f"#{name}": image for name, image in images.items()}))
    assert named_payloads(envelope) == {f"#{name}": Digest.of(image) for name, image in images.items()}
    without = dict(list(envelope.payloads.items())[1:])
    smaller = assemble(envelope.manifest_bytes, envelope.digest, list(envelope.signatures), without)
    assert parse_envelope(smaller).verify(KEY.public_key()).digest == envelope.digest


def named(install: CommandSequence, shared: CommandSequence = ()) -> dict[str, Digest | None]:
    manifest = Manifest(1, tuple(NAMES), shared, {ManifestKey.INSTALL: install})
    return named_payloads(parse_envelope(sign(manifest, KEY)))


def digest(value: Digest) -> Command:
    return override({ParameterKey.IMAGE_DIGEST: value})


def uri(value: str) -> Command:
    return override({ParameterKey.URI: value})


BY_INDEX = OverrideMultiple({0: {ParameterKey.IMAGE_DIGEST: ONE}, 1: {ParameterKey.IMAGE_DIGEST: OTHER}})


@pytest.mark.parametrize(
    ("install", "shared", "found"),
    [
        ((select(0), uri("x"), FETCH), (select(0), digest(ONE)), {"x": ONE}),
        ((select(1), uri("x"), FETCH), (select(0), digest(ONE)), {"x": None}),
        ((select(0), digest(ONE), uri("x"), FETCH, digest(OTHER), FETCH), (), {"x": None}),
        (
            (select(0), digest(ONE), *download("x"), select(1), digest(OTHER), *download("y")),
            (),
            {"x": ONE, "y": OTHER},
        ),
        (
            (Command(CommandCode.DIRECTIVE_OVERRIDE_MULTIPLE, BY_INDEX), select(1), uri("x"), FETCH),
            (),
            {"x": OTHER},
        ),
        (
            (
                select(0),
                digest(ONE),
                select(1),
                Command(CommandCode.DIRECTIVE_COPY_PARAMETERS, CopyParameters({0: (ParameterKey.IMAGE_DIGEST,)})),
                uri("x"),
                FETCH,
            ),
            (),
            {"x": ONE},
        ),
        (
            (
                select(0),
                digest(ONE),
                Command(CommandCode.DIRECTIVE_TRY_EACH, Alternatives((download("x"), download("y"), None))),
            ),
            (),
            {"x": ONE, "y": ONE},
        ),
        ((select(0), digest(ONE), Command(CommandCode.DIRECTIVE_RUN_SEQUENCE, Nested(download("x")))), (), {"x": ONE}),
        (
            (Command(CommandCode.DIRECTIVE_SET_COMPONENT_INDEX, Index(all=True)), digest(ONE), uri("x"), FETCH),
            (),
            {"x": ONE},
        ),
        (
            (
                select(0),
                digest(ONE),
                Command(CommandCode.DIRECTIVE_SET_PARAMETERS, digest(OTHER).argument),
                uri("x"),
                FETCH,
            ),
            (),
            {"x": ONE},
        ),
    ],
)
def test_parameters_are_followed_like_the_processor_does(
    install: CommandSequence, shared: CommandSequence, found: dict[str, Digest | None]
) -> None:
    assert named(install, shared) == found
