from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from objects import MODEL, InvalidDefinition, ObjectModel, Path, UnknownDefinition
from objects.core_versions import core_versions
from objects.model import MAX_VIEWS
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
    assert both.object("Device", old.version) is old
    assert both.resource(Path(3, 0, 0)) is new[0]
    assert len(both) == len(MODEL) + 1


def test_a_device_s_view() -> None:
    view = MODEL.selecting({3: "1.0", 5: "1.1", 4711: "1.0"})
    assert view["Device"].version == view[3].version == "1.0"
    assert view["Firmware Update"].version == "1.1"
    assert view["LwM2M Server"] is MODEL["LwM2M Server"]
    assert view.resource(Path(5, 0, 10)) is not None
    assert view.resource(Path(5, 0, 14)) is None
    assert MODEL.resource(Path(5, 0, 14)) is not None
    assert view.object("Device", "1.2") is MODEL["Device"]
    assert 4711 not in view
    assert len(view) == len(MODEL)


@pytest.mark.parametrize(
    ("asked", "given"), [("1.1", "1.2"), ("1.0", "1.0"), ("1.9", "1.2"), ("2.0", None), ("x", None)]
)
def test_a_version_that_is_not_here(asked: str, given: str | None) -> None:
    view = MODEL.selecting({3: asked})
    assert (view[3].version if 3 in view else None) == given
    assert ("Device" in view) == (given is not None)
    assert (view.resource(Path(3, 0, 9)) is not None) == (given is not None)


def test_views_are_shared_and_bounded() -> None:
    model = ObjectModel(MODEL)
    assert model.selecting({3: "1.0"}) is model.selecting({3: "1.0", 4711: "9.9"})
    first = model.selecting({3: "1.0"})
    for minor in range(MAX_VIEWS):
        model.selecting({3: f"1.{minor}", 4: "1.0"})
    assert model.selecting({3: "1.0"}) is not first


def test_the_views_of_a_view() -> None:
    assert MODEL.selecting({3: "1.0"}).selecting({5: "1.0"})[5].version == "1.0"


@pytest.mark.parametrize("enabler", ["1.0", "1.1", "1.2", "9.9"])
def test_versions_a_device_does_not_name(enabler: str) -> None:
    view = MODEL.selecting(core_versions(enabler))
    versions = [view[number].version for number in (0, 1, 3, 4, 5, 6)]
    assert versions == {
        "1.1": ["1.1", "1.1", "1.2", "1.3", "1.0", "1.0"],
        "1.2": ["1.2", "1.2", "1.2", "1.3", "1.1", "1.0"],
    }.get(enabler, ["1.0"] * 6)


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
    assert both.object("Firmware Update", "1.0") is MODEL.object("Firmware Update", "1.0")
