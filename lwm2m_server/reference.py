"""Renders the reference pages that follow from the code, so that they cannot fall behind it:

python -m lwm2m_server.reference settings > docs/reference/settings.md
python -m lwm2m_server.reference cli > docs/reference/cli.md
python -m lwm2m_server.reference suit-tool > docs/reference/suit-tool.md
python -m lwm2m_server.reference admin-api > docs/reference/admin-api.md
python -m lwm2m_server.reference firmware-update > docs/reference/firmware-update.md
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from lwm2m_server import python_reference, settings
from lwm2m_server.api.admin import DEVICE_MANAGEMENT, EVERYWHERE, PREFIX, SERVICE_PROVIDER, metrics
from lwm2m_server.cli.main import app
from lwm2m_server.protocol import firmware_page
from suit.tool.cli import app as suit_tool

# ---- settings -----------------------------------------------------------------------------------

_SECTIONS = (
    ("dm", settings.DmSettings),
    ("sp", settings.SpSettings),
    ("sp.ca", settings.CaClientSettings),
    ("ca", settings.CaSettings),
    ("[ca.permanent_ocsp]], [[sp.permanent_ocsp]] and [[dm.device_ocsp]", settings.OcspSettings),
    ("ca.step_ca", settings.StepCaSettings),
    ("ca.est_upstream", settings.EstUpstreamSettings),
    ("dm.registration] and [sp.registration", settings.RegistrationSettings),
    ("dm.queue] and [sp.queue", settings.QueueSettings),
    ("dm.firmware] and [sp.firmware", settings.FirmwareSettings),
    ("dm.coap], [sp.coap] and [ca.coap", settings.CoapSettings),
)


def render_settings() -> str:
    """docs/reference/settings.md."""
    lines = [
        "# Settings",
        "",
        "`lwm2m-server serve --config FILE` reads one TOML file. `roles` says what the process is; each role has its",
        "section. Relative paths start in the file's folder. Every value can be overridden by an environment variable,",
        "`LWM2M_SERVER_` and the path of the setting, joined by `__` (`LWM2M_SERVER_SP__RETRY_MAX=5`). Unknown",
        "settings are refused. Times are seconds unless stated.",
        "",
        "| setting | default | meaning |",
        "| --- | --- | --- |",
        '| `roles` | required | What to run: `["dm"]`, `["sp"]`, `["ca"]` or several of them. |',
    ]
    for name, model in _SECTIONS:
        lines += ["", f"## [{name}]", "", _first_line(model.__doc__), "", "| setting | default | meaning |"]
        lines += ["| --- | --- | --- |", *_rows(model)]
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel]) -> Iterator[str]:
    explained = _attribute_docstrings(model)
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            continue
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = "required" if default is PydanticUndefined else f"`{_toml(default)}`"
        yield f"| `{name}` | {shown} | {_cell(explained[name])} |"


def _attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string below each field, as the source has it."""
    (body,) = [node for node in ast.parse(inspect.getsource(model)).body if isinstance(node, ast.ClassDef)]
    found: dict[str, str] = {}
    for node, following in zip(body.body, body.body[1:], strict=False):
        named = isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if named and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            found[node.target.id] = str(following.value.value)  # type: ignore[attr-defined]
    return found


def _toml(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, settings.Address):
        return f'"{value.host}:{value.port}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | dict) and not value:
        return "[]" if isinstance(value, tuple) else "{}"
    return str(value)


# ---- command line -------------------------------------------------------------------------------


def render_cli() -> str:
    """docs/reference/cli.md."""
    lines = [
        "# Command line",
        "",
        "Every command may be repeated: what is done already stays as it is. `-o json` prints what programs read.",
        "The operator's commands of a service provider talk to the running server; its settings file is given by",
        "`--config` or `LWM2M_SERVER_CONFIG`.",
        "",
        "| exit code | meaning |",
        "| --- | --- |",
        "| 0 | done |",
        "| 1 | refused; the text says why |",
        "| 2 | the command line is wrong |",
        "| 3 | no such device, group, partner, firmware or transfer |",
        "| 4 | it contradicts what is stored, or something else has to come first |",
        "| 5 | the device refused or could not be reached |",
        "| 69 | the server, or the CA, does not answer |",
        "| 70 | `serve` ended by a defect; its log has the details |",
        "| 78 | settings file or data folder are wrong |",
    ]
    return _page(lines, app, "lwm2m-server")


def render_suit_tool() -> str:
    """docs/reference/suit-tool.md."""
    lines = [
        "# suit-tool",
        "",
        "Manifests on the command line, for authors and for those who look into one. Commands and JSON input are those",
        "of the known suit-tool, the output is that of draft-ietf-suit-manifest-37. [How to use",
        "it](../how-to/make-a-manifest.md) shows an update from its description to its simulation.",
        "",
        "| exit code | meaning |",
        "| --- | --- |",
        "| 0 | done |",
        "| 1 | refused, different, or the simulated device did not get there; the text says why |",
        "| 2 | the command line is wrong, or a file cannot be read or written |",
    ]
    return _page(lines, suit_tool, "suit-tool")


def _page(lines: list[str], program: typer.Typer, name: str) -> str:
    for path, command in commands(typer.main.get_command(program), (name,)):
        lines += ["", f"## `{' '.join(path)}`", "", _cell(command.help or ""), *_parameters(command)]
    return "\n".join(lines) + "\n"


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from commands(child, (*path, name))


def _parameters(command: Any) -> Iterator[str]:
    shown = [parameter for parameter in command.params if parameter.name != "help"]
    if shown:
        yield from ("", "| parameter | meaning |", "| --- | --- |")
    for parameter in shown:
        option = parameter.param_type_name == "option"
        names = parameter.opts + parameter.secondary_opts if option else [parameter.metavar or parameter.name.upper()]
        name = ", ".join(f"`{one}`" for one in names)
        need = " Required." if parameter.required and option else ""
        default = (
            "" if parameter.default in {None, False} or parameter.required else f" Default: `{parameter.default}`."
        )
        yield f"| {name} | {_cell(parameter.help or '')}{_choices(parameter)}{need}{default} |"


def _choices(parameter: Any) -> str:
    known = parameter.type_descriptor.annotation
    if not (isinstance(known, type) and issubclass(known, Enum)):
        return ""
    return f" One of {', '.join(f'`{one.value}`' for one in known)}."


# ---- admin API ----------------------------------------------------------------------------------


def render_admin_api() -> str:
    """docs/reference/admin-api.md."""
    lines = [
        "# Admin API",
        "",
        "HTTP on a loopback address (`admin_bind`), for the command line and for scripts of the operator. Every",
        "request carries `Authorization: Bearer <token>`; the token is in `<data>/operator.token` (0600), is good for",
        "twelve hours and replaced in time. After ten wrong tokens within 15 minutes all requests are answered 429.",
        "",
        "Errors are problem details (RFC 9457) with `title`, `status`, `detail` and a `code` for programs:",
        "404 unknown, 409 it contradicts what is stored or something else has to come first, 413 too large,",
        "422 the request is wrong, 502 the device refused, 504 the device could not be reached.",
    ]
    for title, routers, prefix in _ROUTES:
        lines += ["", f"## {title}"]
        for route in (route for router in routers for route in router.routes):
            assert isinstance(route, APIRoute)
            (method,) = route.methods or {"GET"}
            lines += ["", f"### {method} {prefix}{route.path}", "", _cell(route.endpoint.__doc__ or "")]
            lines += list(_body(route))
    return "\n".join(lines) + "\n"


_ROUTES = (
    ("Every LwM2M server", EVERYWHERE, PREFIX),
    ("Role dm", DEVICE_MANAGEMENT, PREFIX),
    ("Role sp", SERVICE_PROVIDER, PREFIX),
    ("Without a token", (metrics.router,), ""),
)


def _body(route: APIRoute) -> Iterator[str]:
    for annotation in inspect.get_annotations(route.endpoint, eval_str=True).values():
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield ""
            yield f"JSON body: {_first_line(annotation.__doc__)}"
            yield ""
            for name, field in annotation.model_fields.items():
                default = field.get_default(call_default_factory=True, validated_data={})
                shown = "" if default is PydanticUndefined else f" (default `{default!r}`)"
                meaning = f": {field.description}" if field.description else ""
                yield f"- `{name}`{shown}{meaning}"


# ---- shared -------------------------------------------------------------------------------------


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {
    "settings": render_settings,
    "cli": render_cli,
    "suit-tool": render_suit_tool,
    "admin-api": render_admin_api,
    "python-api": python_reference.render,
    "firmware-update": firmware_page.render,
}

if __name__ == "__main__":
    sys.stdout.write(PAGES[sys.argv[1]]())
