"""Migrating an empty database makes exactly the schema the code works with."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from device_pki.fingerprints import der
from lwm2m_server.protocol.firmware import Phase
from lwm2m_server.store import (
    ca_tables,
    device_tables,
    firmware,
    firmware_tables,
    images,
    migrations,
    queue_tables,
    suit_tables,
    tables,
)
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister
from lwm2m_server.store.metadata import metadata
from lwm2m_server.testing.register_contract import DEVICE, key_of
from objects.path import Path as FirmwarePath

assert ca_tables
assert device_tables
assert firmware_tables
assert queue_tables
assert suit_tables
assert tables


def schema(connection: Connection) -> dict[str, object]:
    """Everything SQLite knows of each table."""
    found = inspect(connection)
    names = set(found.get_table_names()) - {"alembic_version"}
    return {
        name: (
            sorted(str({**column, "type": str(column["type"])}) for column in found.get_columns(name)),
            found.get_pk_constraint(name),
            sorted(map(str, found.get_foreign_keys(name))),
            sorted(map(str, found.get_indexes(name))),
            sorted(map(str, found.get_unique_constraints(name))),
        )
        for name in names
    }


async def test_migrations_equal_the_metadata(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "migrated.db")
    async with database.reading() as connection:
        migrated = await connection.run_sync(schema)
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
    await database.close()
    with create_engine(f"sqlite:///{tmp_path / 'created.db'}").begin() as fresh:
        metadata.create_all(fresh)
        assert migrated == schema(fresh)
    assert differences == []


def test_the_newest_migration_is_known_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


async def test_envelopes_become_files_and_pushes_updates(tmp_path: Path) -> None:
    path = tmp_path / "data" / "server.db"
    path.parent.mkdir()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.execute(text("INSERT INTO firmware VALUES (x'01', x'0a0b', 7, 100)"))
        device = "INSERT INTO devices VALUES ('ep', x'02', x'', NULL, '', NULL, x'', 0, 0, NULL, NULL, NULL, NULL)"
        connection.execute(text(device))
        push = "INSERT INTO firmware_pushes VALUES (1, 'ep', x'01', 1, 'installing', NULL, 200)"
        connection.execute(text(push))
    engine.dispose()
    database = await Database.open(path)
    async with database.reading() as reading:
        image = await images.get(reading, b"\x01")
        (update,) = await firmware.open_updates(reading, "ep")
    await database.close()
    assert image is not None
    assert (image.kind, image.size, image.sequence_number) == (images.Kind.SUIT, 2, 7)
    file = path.parent / "firmware" / image.sha256.hex()
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"\x0a\x0b", 0o600)
    assert (update.phase, update.order.component, update.size) == (Phase.INSTALLING, FirmwarePath(5, 0), 2)


async def test_factory_certificates_of_before_are_found_by_their_serial_numbers(tmp_path: Path) -> None:
    path = tmp_path / "ca.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
        row = {"key": key_of(DEVICE), "der": der(DEVICE)}
        connection.execute(text("INSERT INTO ca_factory_certificates VALUES (:key, 'dev-1', :der, 100)"), row)
    engine.dispose()
    database = await Database.open(path)
    assert (await SqlEnrollmentRegister(database).serial_status(DEVICE.serial_number)).issued
    await database.close()


async def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        database = await Database.open(tmp_path / "one.db")
        async with database.reading() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM alembic_version"))).scalar() == 1
        await database.close()
    assert (tmp_path / "one.db").stat().st_mode & 0o777 == 0o600


async def test_every_commit_is_synced_and_keys_are_enforced(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "one.db")
    async with database.reading() as connection:
        pragmas = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    await database.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "one.db")
    with pytest.raises(KeyError):
        async with database.transaction() as connection:
            await connection.execute(tables.groups.insert().values(name="gone"))
            raise KeyError
    async with database.reading() as connection:
        assert (await connection.execute(tables.groups.select())).all() == []
    await database.close()
