from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from objects import MODEL, InvalidDefinition, ObjectModel, Path, UnknownDefinition
from tests.objects.vectors import SHARED

REGISTRY = SHARED / "lwm2m-objects"


def test_by_name_and_by_id() -> None:
    message = MODEL["Trust Transfer"]["Transfer Message"]
    assert message is MODEL[33001][0]
    assert message.path() == Path(33001, 0, 0)
    assert MODEL["Enrollment"]["Trust Anchors"].path(2, 1) == Path(33002, 2, 6, 1)
    assert MODEL["Enrollment"].path(1) == Path(33002, 1)
    assert "Device" in MODEL
    assert 3 in MODEL
    assert 4711 not in MODEL


def test_what_is_unknown_says_so() -> None:
    with pytest.raises(UnknownDefinition, match="definitions folder"):
        MODEL["Toaster"]
    with pytest.raises(UnknownDefinition, match="no resource 'Crumbs'"):
        MODEL["Device"]["Crumbs"]
    with pytest.raises(UnknownDefinition, match=r"version 9\.9"):
        MODEL.object("Device", "9.9")


def test_by_path() -> None:
    assert MODEL.resource(Path(3, 0, 6, 1)) is MODEL["Device"]["Available Power Sources"]
    assert MODEL.resource(Path(3, 0)) is None
    assert MODEL.resource(Path(3, 0, 999)) is None
    assert MODEL.resource(Path(4711, 0, 0)) is None


def test_versions_stand_side_by_side() -> None:
    old = MODEL["Device"]
    new = replace(old, version="1.10", resources={0: replace(old[0], name="Maker")})
    both = ObjectModel([*MODEL, new])
    assert both["Device"] is new
    assert both.object("Device", "1.0") is old
    assert both.resource(Path(3, 0, 0), "1.0") is old[0]
    assert both.resource(Path(3, 0, 0)) is new[0]
    assert both.resource(Path(3, 0, 0), "7.7") is new[0]
    assert len(both) == len(MODEL) + 1


def test_two_definitions_of_one_version_are_refused() -> None:
    with pytest.raises(InvalidDefinition, match="twice"):
        ObjectModel([*MODEL, replace(MODEL["Device"], name="Other")])


def test_extending_lets_the_other_decide() -> None:
    other = ObjectModel([replace(MODEL["Device"], name="Other")])
    assert MODEL.extended(other)[3].name == "Other"


@pytest.mark.parametrize("folder", [REGISTRY] if REGISTRY.is_dir() else [], ids=lambda f: f.name)
def test_the_whole_registry_folder_loads(folder: FilePath) -> None:
    registry = ObjectModel.load(folder)
    assert len(registry) == len([f for f in folder.glob("*.xml") if f.name != "DDF.xml"])
    both = MODEL.extended(registry)
    assert both["Firmware Update"].version == "1.2"
    assert both.object("Firmware Update", "1.0") is MODEL["Firmware Update"]
