"""Where a device finds the operations of EST: /.well-known/core (RFC 9148 4.1, RFC 6690 4.1).

A device is shown the labels it is registered in, and no other; so whoever knows nothing but host and port gets on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from enrollment.est.paths import EST_ROOT, EstOperation
from objects.formats.link_format import Link, render

CORE: Final = (".well-known", "core")
"""The path of the resource."""


def links(
    labels: Sequence[tuple[str, Iterable[EstOperation]]], formats: Mapping[EstOperation, str], *, osc: bool
) -> list[Link]:
    """Return the links to the operations below each label; `formats` are the content formats they answer with.

    `osc`: they are protected by OSCORE (RFC 8613 9).
    """
    secured: dict[str, str | None] = {"osc": None} if osc else {}
    return [
        Link(
            f"/{EST_ROOT}/{label}/{operation.value}",
            {"rt": f"ace.est.{operation.value}", "ct": formats[operation], **secured},
        )
        for label, operations in labels
        for operation in operations
    ]


def matching(found: Iterable[Link], query: Sequence[str]) -> bytes:
    """Return in link format those that fit the query: `name=value` or `name=prefix*`, for `href` or an attribute."""
    return render(link for link in found if all(_fits(link, condition) for condition in query)).encode()


def _fits(link: Link, condition: str) -> bool:
    name, _, wanted = condition.partition("=")
    value = link.target if name == "href" else link.attributes.get(name)
    if value is None:
        return False
    values = [value, *value.split(" ")]
    if wanted.endswith("*"):
        return any(one.startswith(wanted[:-1]) for one in values)
    return wanted in values
