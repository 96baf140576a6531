"""`suit-tool`: the commands of the known tool for today's draft, and a few more.

Imports beyond typer happen in the commands, so that `--help` answers at once.
"""

import difflib
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(
    name="suit-tool",
    help="Create, sign, encrypt, verify, read, compare and simulate SUIT manifests.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

REFUSED = 1
USAGE = 2

Input = Annotated[Path, typer.Option("-i", "--input", "-m", help="The envelope.")]
Out = Annotated[Path, typer.Option("-o", "--output", help="The file to write.")]
Key = Annotated[
    str,
    typer.Option(
        "-k",
        "--key",
        help="Private key (PEM, 0600), one in a token (a `pkcs11:` URI), or a shared key in hex (`*.mac`; `*.kek`, "
        "which wraps a fresh one; 0600).",
    ),
]


class KeyType(StrEnum):
    """What `keygen` makes."""

    P256 = "secp256r1"
    ED25519 = "ed25519"
    HMAC = "hmac"
    KEK = "kek"


class PublicFormat(StrEnum):
    """How `pubkey` writes a public key."""

    PEM = "pem"
    COSE = "cose"
    C = "c"


class View(StrEnum):
    """How `parse` shows an envelope."""

    EDN = "edn"
    TABLE = "table"


@app.command()
def create(
    input_file: Annotated[Path, typer.Option("-i", "--input-file", help="The description: JSON or YAML.")],
    output: Out,
) -> None:
    """Make an unsigned envelope from a description."""
    from suit.envelope import assemble
    from suit.errors import SuitError
    from suit.tool.compiling import compile_description
    from suit.tool.inputs import InvalidDescription, read

    try:
        description = read(input_file)
        compiled = compile_description(description)
        members: dict[Any, bytes] = {**compiled.severed, **description.payloads}
        raw = assemble(compiled.manifest.encode(), compiled.manifest.digest, [], members)
    except (InvalidDescription, SuitError, OSError) as error:
        _fail(f"{input_file}: {error}")
    for name in description.unknown:
        typer.echo(f"{name} is not known here and left out", err=True)
    _write(output, raw)


@app.command()
def sign(envelope: Input, key: Key, output: Out) -> None:
    """Add a signature, or with a shared key a MAC, beside those that are there."""
    from cose.errors import CoseError
    from cose.keys import UnusableKey
    from suit.envelope import countersign
    from suit.errors import SuitError
    from suit.tool.keys import load_author

    try:
        raw = countersign(_parse(envelope), load_author(key))
    except (UnusableKey, CoseError, SuitError, OSError) as error:
        _fail(str(error))
    _write(output, raw)


@app.command()
def verify(
    envelope: Input,
    key: Annotated[
        Path,
        typer.Option(
            "-k",
            "--key",
            help="Public key (PEM), shared key (`*.mac`), HSS/LMS key (`*.hss`), or what opens a wrapped MAC key: "
            "`*.kek` or private key (PEM, 0600).",
        ),
    ],
) -> None:
    """Check that the key's owner vouches for the envelope, and that everything in it belongs to it."""
    from cose.hss_lms import UnusableHssLmsKey
    from cose.keys import UnusableKey
    from suit.errors import SuitError
    from suit.tool.keys import load_authority

    try:
        verified = _parse(envelope).verify(load_authority(key)).decoded()
    except (UnusableKey, UnusableHssLmsKey, SuitError, OSError) as error:
        _fail(str(error))
    typer.echo(f"verified: sequence number {verified.sequence_number}, digest {verified.digest.digest.hex()}")


@app.command()
def parse(
    envelope: Input,
    view: Annotated[
        View, typer.Option("--as", help="The whole in diagnostic notation, or a table of its steps.")
    ] = View.EDN,
) -> None:
    """Show an envelope. Nothing is verified."""
    from cose.cbor import CborError
    from suit import edn
    from suit.errors import SuitError
    from suit.tool.table import steps_of

    parsed = _parse(envelope)
    try:
        if view is View.EDN:
            typer.echo(edn.envelope(parsed.raw))
        else:
            _table(("section", "command", "argument"), steps_of(parsed))
    except (CborError, SuitError) as error:
        _fail(f"{envelope}: {error}")


@app.command()
def sever(
    envelope: Input,
    output: Out,
    element: Annotated[
        list[str] | None, typer.Option("-e", "--element", help="Only this element: text, install, …; may be repeated.")
    ] = None,
) -> None:
    """Leave out severed elements; signatures stay good."""
    from suit.envelope import without
    from suit.manifest import SEVERABLE_KEYS

    names = {key.name.lower().replace("_", "-"): key for key in SEVERABLE_KEYS}
    unknown = [one for one in element or () if one not in names]
    if unknown:
        _fail(f"no such element: {', '.join(unknown)}; there are {', '.join(names)}", USAGE)
    _write(output, without(_parse(envelope), [names[one] for one in element or names]))


@app.command()
def encrypt(
    payload: Annotated[Path, typer.Option("-i", "--input", help="The payload to encrypt.")],
    recipient: Annotated[
        list[Path],
        typer.Option(
            "-r", "--recipient", help="Public key (PEM) or shared key (`*.kek`) of a device or group; may be repeated."
        ),
    ],
    output: Out,
    info: Annotated[Path, typer.Option(help="File for the encryption info, which the manifest names.")],
    algorithm: Annotated[
        str, typer.Option(help="A128CTR, A256CTR, A128GCM, A256GCM or CHACHA20_POLY1305.")
    ] = "A128CTR",
) -> None:
    """Encrypt a payload once, for every recipient. A file name is the recipient's key identifier."""
    from cose.errors import CoseError
    from cose.numbers import Algorithm
    from suit import encryption
    from suit.tool.keys import load_recipient

    try:
        chosen = Algorithm[algorithm.upper()]
        encrypted_info, ciphertext = encryption.encrypt(
            _read(payload), [load_recipient(one) for one in recipient], chosen
        )
    except (KeyError, ValueError, CoseError, OSError) as error:
        _fail(str(error))
    _write(output, ciphertext)
    _write(info, encrypted_info)


@app.command()
def keygen(
    output: Out,
    kind: Annotated[KeyType, typer.Option("-t", "--type", help="What to make.")] = KeyType.P256,
) -> None:
    """Make a key; the file is 0600 and must not exist yet."""
    import secrets

    from cose.files import write_durably
    from cose.keys import KeyKind, generate_private_key, save_private_key

    if output.exists():
        _fail(f"{output} exists; name another file, or remove it if nothing is signed with it any more", USAGE)
    if kind in (KeyType.HMAC, KeyType.KEK):
        size = 32 if kind is KeyType.HMAC else 16
        write_durably(output, f"{secrets.token_hex(size)}\n".encode(), 0o600)
    else:
        save_private_key(output, generate_private_key(KeyKind.P256 if kind is KeyType.P256 else KeyKind.ED25519))
    typer.echo(f"key in {output}")


@app.command()
def pubkey(
    key: Key,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write; else it is printed.")
    ] = None,
    form: Annotated[PublicFormat, typer.Option("-f", "--format", help="How to write it.")] = PublicFormat.PEM,
) -> None:
    """Write the public key of a private one."""
    from cryptography.hazmat.primitives import serialization

    from cose.keys import UnusableKey
    from suit.tool.keys import c_array, cose_key, load_private

    try:
        public = load_private(key).public_key()
    except (UnusableKey, OSError) as error:
        _fail(str(error))
    if form is PublicFormat.COSE:
        data = cose_key(public)
    elif form is PublicFormat.C:
        data = c_array(public).encode()
    else:
        data = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    if output is not None:
        _write(output, data)
    else:
        sys.stdout.buffer.write(data)


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(help="An envelope.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
) -> None:
    """Compare two envelopes; exit code 1 when they differ."""
    from cose.cbor import CborError
    from suit import edn

    try:
        one, other = (edn.envelope(_read(path)).splitlines() for path in (first, second))
    except CborError as error:
        _fail(str(error))
    lines = list(difflib.unified_diff(one, other, str(first), str(second), lineterm=""))
    for line in lines:
        typer.echo(line)
    raise typer.Exit(REFUSED if lines else 0)


@app.command()
def simulate(  # noqa: PLR0917 - one parameter per option
    envelope: Input,
    device: Annotated[Path, typer.Option("-d", "--device", help="The device: JSON or YAML.")],
    key: Annotated[Path, typer.Option("-k", "--key", help="The key the device believes.")],
    payload: Annotated[
        list[str] | None, typer.Option(help="What the device could fetch, URI=FILE; may be repeated.")
    ] = None,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Then remove what was installed, as the manifest says.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a manifest on a described device and show each step; exit code 1 when it does not end well."""
    from cose.keys import UnusableKey
    from suit.errors import SuitError
    from suit.tool.inputs import InvalidDescription
    from suit.tool.keys import load_authority
    from suit.tool.simulating import read_device, shown, simulate, state_of

    try:
        described = read_device(device)
        verified = _parse(envelope).verify(load_authority(key)).decoded()
        payloads = {uri: _read(Path(file)) for uri, _, file in (one.rpartition("=") for one in payload or ())}
    except (InvalidDescription, UnusableKey, SuitError, OSError) as error:
        _fail(str(error))
    done = simulate(verified, described, payloads, removing=uninstall)
    steps = [
        (
            step.section.name.lower(),
            step.command.name.lower().replace("_", "-"),
            shown(step.component),
            step.failure or "",
        )
        for step in done.steps
    ]
    reached = "what the manifest says is removed" if uninstall else "the device is in the manifest's state"
    outcome = reached if done.error is None else str(done.error)
    if as_json:
        names = ("section", "command", "component", "failure")
        result = {"steps": [dict(zip(names, step, strict=True)) for step in steps], "outcome": outcome}
        typer.echo(json.dumps(result | {"components": dict(state_of(described.store))}))
    else:
        _table(("section", "command", "component", "failure"), steps)
        typer.echo("")
        _table(("component", "content"), state_of(described.store))
        typer.echo(f"\n{outcome}")
    raise typer.Exit(0 if done.error is None else REFUSED)


# ---- shared -------------------------------------------------------------------------------------


def _fail(text: str, code: int = REFUSED) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(code)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _fail(f"cannot read {path}: {error.strerror}", USAGE)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        _fail(f"cannot write {path}: {error.strerror}", USAGE)
    typer.echo(f"{len(data)} bytes in {path}")


def _parse(path: Path) -> Any:
    from suit.envelope import parse_envelope
    from suit.errors import SuitError

    raw = _read(path)
    try:
        return parse_envelope(raw, len(raw))
    except SuitError as error:
        _fail(f"{path}: {error}")


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Cells are data: what is not printable never reaches the terminal."""
    cells = [header, *(tuple(_printable(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def main() -> None:
    """Entry point of the `suit-tool` command."""
    app()
