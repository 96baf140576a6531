"""What the operator's commands share: the connection to the running server, output, and exit codes.

httpx and rich are imported when they are used, so that `--help` answers at once.
"""

import json
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import quote

import typer

if TYPE_CHECKING:
    import httpx

    from lwm2m_server.settings import DmSettings, Settings, SpSettings


class Exit(IntEnum):
    """Exit codes by class of failure."""

    REFUSED = 1
    """The server understood and refused; the text says why."""
    USAGE = 2
    """The command line is wrong."""
    NOT_FOUND = 3
    """No such device, group, partner, firmware or transfer."""
    CONFLICT = 4
    """It contradicts what is stored, or something else has to come first."""
    DEVICE = 5
    """The device refused or could not be reached."""
    UNAVAILABLE = 69
    """The server does not answer."""
    SETTINGS = 78
    """The settings file or data folder is wrong."""


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


Config = Annotated[
    Path,
    typer.Option("--config", help="The server's settings file.", envvar="LWM2M_SERVER_CONFIG"),
]
Format = Annotated[Output, typer.Option("-o", "--output", help="How to print the result.")]

_EXIT_OF_STATUS = {404: Exit.NOT_FOUND, 409: Exit.CONFLICT, 502: Exit.DEVICE, 504: Exit.DEVICE}
_DURATION = re.compile(r"\+(\d{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def fail(code: Exit, text: str) -> NoReturn:
    """Print what is wrong and end."""
    typer.echo("\n".join(printable(line) for line in text.split("\n")), err=True)
    raise typer.Exit(code)


class Server:
    """The admin API of the running server."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._settings = load_server_settings(config)

    def get(self, path: str, **query: Any) -> Any:
        """GET; returns the JSON value."""
        return self._call("GET", path, params=_given(query)).json()

    def text(self, path: str, **query: Any) -> str:
        """GET; returns the text."""
        return self._call("GET", path, params=_given(query)).text

    def download(self, path: str) -> bytes:
        """GET; returns the bytes."""
        return self._call("GET", path).content

    def post(self, path: str, body: Mapping[str, Any] | None = None, content: bytes | None = None) -> Any:
        """POST JSON or bytes; returns the JSON value."""
        arguments: dict[str, Any] = {"json": dict(body or {})} if content is None else {"content": content}
        return self._call("POST", path, **arguments).json()

    def upload(self, path: str, file: Path, **query: Any) -> Any:
        """POST a file, read as it is sent; returns the JSON value."""
        try:
            with file.open("rb") as body:
                return self._call("POST", path, content=body, params=_given(query)).json()
        except OSError as error:
            fail(Exit.USAGE, f"cannot read {file}: {error.strerror}")

    def put(self, path: str, content: bytes = b"") -> Any:
        """PUT bytes; returns the JSON value."""
        return self._call("PUT", path, content=content).json()

    def put_json(self, path: str, body: Mapping[str, Any]) -> Any:
        """PUT JSON; returns the JSON value."""
        return self._call("PUT", path, json=dict(body)).json()

    def delete(self, path: str) -> Any:
        """DELETE; returns the JSON value."""
        return self._call("DELETE", path).json()

    def lines(self, path: str, **query: Any) -> Iterator[Any]:
        """GET a stream of JSON values, one a line, until it ends."""
        with self._answer("GET", path, params=_given(query), timeout=None) as response:
            for line in response.iter_lines():
                yield json.loads(line)

    def _call(self, method: str, path: str, **arguments: Any) -> "httpx.Response":
        with self._answer(method, path, timeout=300, **arguments) as response:
            response.read()
            return response

    @contextmanager
    def _answer(self, method: str, path: str, **arguments: Any) -> Iterator["httpx.Response"]:
        """The answer, its body still to be read; or the end of the command when it is an error."""
        import httpx

        host, port = self._settings.admin_bind
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        uri, headers = f"http://{authority}/api/v1/{path}", {"authorization": f"Bearer {self._token()}"}
        try:
            with httpx.stream(method, uri, headers=headers, trust_env=False, **arguments) as response:
                if not response.is_success:
                    response.read()
                    fail(_EXIT_OF_STATUS.get(response.status_code, Exit.REFUSED), _problem(response))
                yield response
        except httpx.TransportError as error:
            fail(
                Exit.UNAVAILABLE,
                f"the server at {authority} does not answer ({error}); start it: "
                f"lwm2m-server serve --config {self._config}",
            )

    def _token(self) -> str:
        path = self._settings.data / "operator.token"
        try:
            return path.read_text().strip()
        except OSError as error:
            fail(Exit.UNAVAILABLE, f"cannot read {path} ({error.strerror}); the server writes it when it starts")


def load_sp_settings(config: Path) -> "SpSettings":
    """The [sp] section of a settings file, or the end of the command."""
    settings = _load(config)
    if settings.sp is None:
        fail(Exit.SETTINGS, f"{config} has no section [sp]: this command is for service providers")
    return settings.sp


def load_server_settings(config: Path) -> "SpSettings | DmSettings":
    """The section of the LwM2M server a settings file describes, or the end of the command."""
    settings = _load(config)
    found = settings.sp or settings.dm
    if found is None:
        fail(Exit.SETTINGS, f"{config} has no section [sp] or [dm]: this command is for LwM2M servers")
    return found


def _load(config: Path) -> "Settings":
    from lwm2m_server.settings import SettingsError, load_settings

    try:
        return load_settings(config)
    except SettingsError as error:
        fail(Exit.SETTINGS, str(error))


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _problem(response: "httpx.Response") -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code} {response.reason_phrase}"


def show(output: Output, value: Any, columns: Iterable[str] = ()) -> None:
    """Print a value: a list of rows as a table of the given columns, an object as names and values."""
    if output is Output.JSON:
        typer.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None))
        return
    rows = value if isinstance(value, list) else [value]
    names = list(columns) or list(dict.fromkeys(name for row in rows for name in row))
    if isinstance(value, list):
        _table(names, [[_cell(name, row.get(name)) for name in names] for row in rows])
    else:
        _table(["", ""], [[printable(name), _cell(name, value.get(name))] for name in names])


def _table(header: list[str], rows: list[list[str]]) -> None:
    """Cells are data: no markup is read in them (security rule 33)."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=any(header), pad_edge=False)
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def printable(text: str) -> str:
    """The text with everything that is not printable replaced."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _cell(name: str, value: Any) -> str:
    """What stands under a name: moments as such, everything else as text."""
    is_moment = (
        (name == "at" or name.endswith("_at")) and isinstance(value, int | float) and not isinstance(value, bool)
    )
    return moment(value) if is_moment else _text(value)


def _text(value: Any) -> str:
    """A value as text in which nothing but our own line breaks moves a terminal's cursor (security rule 33)."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ("\n" if any(isinstance(item, dict) for item in value) else ", ").join(_text(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(
            f"{printable(name)}={_cell(name, item)}" for name, item in value.items() if item not in (None, [])
        )
    return "" if value is None else printable(str(value))


def moment(seconds: float) -> str:
    """Seconds since 1970 as a date and time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def segment(text: str) -> str:
    """A name as one segment of a URI path, whatever it contains."""
    return quote(text, safe="") if text not in {".", ".."} else "%2E" * len(text)


def read_file(path: Path) -> bytes:
    """A file's bytes, or the end of the command."""
    try:
        return path.read_bytes()
    except OSError as error:
        fail(Exit.USAGE, f"cannot read {path}: {error.strerror}")


def instant(text: str) -> int:
    """A moment in seconds since 1970: `now`, `+90s`, `+15m`, `+2h`, `+30d`, seconds, or ISO 8601."""
    if text == "now":
        return int(datetime.now(UTC).timestamp())
    if relative := _DURATION.fullmatch(text):
        moment = datetime.now(UTC) + timedelta(**{_UNITS[relative[2]]: int(relative[1])})
        return int(moment.timestamp())
    if text.isascii() and text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(Exit.USAGE, f"{text!r} is no moment: now, +90s, +15m, +2h, +30d, seconds since 1970, or 2027-01-31T12:00Z")
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def unpack(archive: bytes, folder: Path) -> list[str]:
    """Write the plain files of an archive into `folder`, and nowhere else; returns their names."""
    import io

    folder.mkdir(parents=True, exist_ok=True)
    names = []
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
        for member in opened:
            if not member.isreg() or member.name in {".", ".."} or member.name != Path(member.name).name:
                fail(Exit.REFUSED, f"the archive holds {printable(member.name)!r}, which is no plain file of its own")
            content = opened.extractfile(member)
            assert content is not None, "a regular file"
            (folder / member.name).write_bytes(content.read())
            names.append(member.name)
    return sorted(names)
