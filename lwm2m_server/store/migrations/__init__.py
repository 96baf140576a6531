"""The schema, migration by migration. A test holds that all of them together equal `metadata`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

HEAD: Final = "0013"
"""The newest migration. Known here so that an up-to-date database is opened without importing Alembic."""
_FOLDER: Final = Path(__file__).parent


def upgrade(connection: Connection) -> None:
    """Bring the database to `HEAD`, within the connection's transaction."""
    if _revision(connection) == HEAD:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())
