"""Evidence is unpacked into its folder and nowhere else, whatever the archive says (security rule 37)."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
import typer

from lwm2m_server.cli.common import unpack


def _archive(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.size, entry.linkname = kind, 2 if kind == tarfile.REGTYPE else 0, "/etc/passwd"
        archive.addfile(entry, io.BytesIO(b"ok"))
    return buffer.getvalue()


def test_plain_files_are_written(tmp_path: Path) -> None:
    assert unpack(_archive("report-urn:dev:os:1.cwt"), tmp_path / "to") == ["report-urn:dev:os:1.cwt"]
    assert (tmp_path / "to" / "report-urn:dev:os:1.cwt").read_bytes() == b"ok"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../out", tarfile.REGTYPE),
        ("/tmp/out", tarfile.REGTYPE),
        ("a/b", tarfile.REGTYPE),
        ("..", tarfile.REGTYPE),
        ("folder", tarfile.DIRTYPE),
        ("link", tarfile.SYMTYPE),
        ("device", tarfile.CHRTYPE),
    ],
)
def test_everything_else_is_refused(name: str, kind: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        unpack(_archive(name, kind), tmp_path / "to")
    assert "no plain file" in capsys.readouterr().err
    assert list((tmp_path / "to").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["to"]
