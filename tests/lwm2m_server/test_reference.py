"""Every setting, command and route is documented, and the command line answers at once."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from fastapi.routing import APIRoute

from lwm2m_server.api import errors
from lwm2m_server.api.partner import create_app
from lwm2m_server.cli.common import Exit
from lwm2m_server.cli.main import app
from lwm2m_server.reference import PAGES, commands
from lwm2m_server.settings import SettingsError, load_settings

DOCS = Path(__file__).parents[2] / "docs"
SERVER = Path(sys.executable).parent / "lwm2m-server"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code(name: str) -> None:
    written = (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")
    assert written == PAGES[name](), f"run: python -m lwm2m_server.reference {name} > docs/reference/{name}.md"


def test_everything_has_help() -> None:
    for path, command in commands(typer.main.get_command(app), ("lwm2m-server",)):
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None) or parameter.name == "help", (path, parameter.name)


def test_exit_codes_are_documented() -> None:
    page = PAGES["cli"]()
    assert all(f"| {code.value} |" in page for code in Exit)


def test_the_partner_api_is_documented() -> None:
    page = (DOCS / "reference" / "partner-api.md").read_text(encoding="utf-8")
    nothing = cast(Any, None)
    routes = [route for route in create_app(nothing, nothing, nothing).routes if isinstance(route, APIRoute)]
    assert len(routes) == 7
    for route in routes:
        (method,) = route.methods or {"GET"}
        path = route.path.removeprefix("/partner/v1/transfers/{cti}")
        assert f"`{method} {path}`" in page or (path == "" and f"`{method}`" in page), route.path


def test_every_error_has_a_status() -> None:
    assert len({kind for kind, _, _ in errors.STATUS}) == len(errors.STATUS)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("how-to/transfer-a-group.md", 8),
        ("how-to/talk-to-a-device.md", 6),
        ("how-to/observe.md", 4),
        ("how-to/certify-a-production.md", 2),
        ("tutorials/first-device.md", 8),
    ],
)
def test_pages_use_commands_that_exist(name: str, least: int) -> None:
    known = {" ".join(path): command for path, command in commands(typer.main.get_command(app), ("lwm2m-server",))}
    page = (DOCS / name).read_text(encoding="utf-8").replace("\\\n", " ")
    used = re.findall(r"^ {4,}(lwm2m-server .+)$", page, re.MULTILINE)
    assert len(used) > least
    for line in used:
        words = line.split()
        called = next(" ".join(words[:count]) for count in (3, 2) if " ".join(words[:count]) in known)
        options = {one for parameter in known[called].params for one in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_help_answers_at_once() -> None:
    """300 ms of processor time, best of three, however busy the machine is; and nothing heavy is imported."""
    durations = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([SERVER, "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        durations.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(durations) < 0.3
    heavy = ("sqlalchemy", "fastapi", "httpx", "alembic", "cryptography", "pydantic", "structlog", "uvicorn")
    script = f"import sys, lwm2m_server.cli.main; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "[]"


SP = """
[sp]
name = "sp1"
data = "data"
public_uri = "coaps://127.0.0.1:5684"
operational_anchors = ["ca1.pem"]
permanent_anchors = ["/etc/permanent.pem"]
[sp.ca]
api = "https://127.0.0.1:8444"
certificate = "ca1-https.pem"
public_uri = "coaps://127.0.0.1:5685"
label = "6c1f0a70-6b6a-4f7e-8f1e-1f2a3b4c5d6e"
"""


def settings_file(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_settings_are_read_relative_to_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_SERVER_SP__RETRY_MAX", "5")
    sp = load_settings(settings_file(tmp_path, 'roles = ["sp"]' + SP)).sp
    assert sp is not None
    assert sp.data == tmp_path / "data"
    assert sp.operational_anchors == (tmp_path / "ca1.pem",)
    assert sp.permanent_anchors == (Path("/etc/permanent.pem"),)
    assert sp.retry_max == 5
    assert sp.bind == ("127.0.0.1", 5684)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("roles = []", "roles"),
        ('roles = ["sp"]', "no section"),
        ('roles = ["sp"]' + SP.replace('name = "sp1"', ""), "sp.name"),
        ('roles = ["sp"]' + SP.replace("[sp.ca]", 'admin_bind = "0.0.0.0:1"\n[sp.ca]'), "loopback"),
        ('roles = ["sp"]' + SP.replace("[sp.ca]", 'bind = "5684"\n[sp.ca]'), "host:port"),
        ('roles = ["sp"]' + SP.replace("[sp.ca]", "typo = 1\n[sp.ca]"), "sp.typo"),
        ('roles = ["sp"]' + SP.replace("[sp.ca]", "crl_refresh = 61\n[sp.ca]"), "sp.crl_refresh"),
        ("roles = [", "no TOML"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_settings(settings_file(tmp_path, text))
