"""Our definition files: valid for others' tools, and exactly the tables of the design."""

from __future__ import annotations

from pathlib import Path as FilePath

import pytest
from lxml import etree

from objects import MODEL, InvalidDefinition, ObjectDefinition, Operations, ResourceType, ddf
from tests.objects.vectors import SHARED

FOLDER = FilePath(ddf.__file__).parent / "definitions"
FILES = sorted(FOLDER.glob("*.xml"))
REGISTRY = SHARED / "lwm2m-objects"
SCHEMAS = [REGISTRY / "LWM2M.xsd"] if REGISTRY.is_dir() else []

OBJECT_ORDER = [
    *("Name", "Description1", "ObjectID", "ObjectURN", "LWM2MVersion", "ObjectVersion"),
    *("MultipleInstances", "Mandatory", "Resources", "Description2"),
]
ITEM_ORDER = [
    *("Name", "Operations", "MultipleInstances", "Mandatory"),
    *("Type", "RangeEnumeration", "Units", "Description"),
]

OURS = {
    "Trust Transfer": (
        33001,
        False,
        """0 Transfer Message|W|Opaque; 1 State|R|Integer; 2 Result|R|Integer; 3 Start|E|; 4 Cancel|E|;
        5 Transfer Id|R|Opaque; 6 Sequence|R|Integer; 7 Not Before|R|Time; 8 Not After|R|Time; 9 Update URI|R|String;
        10 Update First|R|Boolean; 11 Attestation URI|R|String; 12 Agreed State|R|Opaque; 13 Report|R|Opaque;
        14 Nonce|R|Opaque; 15 Authorities|R|Opaque*; 16 Acknowledge Report|E|; 17 Endorser|W|Opaque;
        18 Minimum|RW|Opaque""",
    ),
    "Enrollment": (
        33002,
        True,
        """0 Enroll URI|RW|String; 1 Protocol|RW|Integer; 2 Request Format|RW|Integer; 3 Key Generation|RW|Integer;
        4 Certificate|R|Opaque; 5 Not After|R|Time; 6 Trust Anchors|RW|Opaque*; 7 Enroll|E|; 8 State|R|Integer;
        9 Result|R|Integer; 10 Renew Before|RW|Integer""",
    ),
    "Fallback": (
        33003,
        False,
        """0 Fallback URI|RW|String; 1 Attempts Allowed|RW|Integer; 2 Deadline|RW|Integer; 3 Cause|R|Integer;
        4 Attempts|R|Integer; 5 Last Time|R|Time; 6 Fall Back|E|""",
    ),
}


def _row(definition: ObjectDefinition) -> list[str]:
    letters = {Operations.READ: "R", Operations.WRITE: "W", Operations.EXECUTE: "E"}
    return [
        f"{r.id} {r.name}|{''.join(c for o, c in letters.items() if o in r.operations)}"
        f"|{r.type.value}{'*' if r.multiple else ''}"
        for r in definition.resources.values()
    ]


@pytest.mark.parametrize("name", OURS)
def test_our_objects_are_the_tables_of_the_design(name: str) -> None:
    number, multiple, table = OURS[name]
    definition = MODEL[name]
    assert (definition.id, definition.multiple) == (number, multiple)
    assert _row(definition) == [" ".join(row.split()) for row in table.split(";")]
    assert definition.urn == f"urn:oma:lwm2m:x:{number}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_the_form_is_the_one_others_read(file: FilePath) -> None:
    root = etree.parse(file).getroot()
    assert root.tag == "LWM2M"
    (element,) = root
    assert element.get("ObjectType") == "MODefinition"
    assert [child.tag for child in element] == OBJECT_ORDER
    items = element.findall("Resources/Item")
    assert [int(item.get("ID")) for item in items] == sorted({int(item.get("ID")) for item in items})
    for item in items:
        assert [child.tag for child in item] == ITEM_ORDER
        assert item.findtext("Description")
    # The newest version bears the number alone, as in the registry; the others are named after their version too.
    number, version = element.findtext("ObjectID"), element.findtext("ObjectVersion")
    newest = MODEL[int(number)].version == version
    assert file.name == (f"{number}.xml" if newest else f"{number}-{version.replace('.', '_')}.xml")


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda f: f.name)
def test_the_schema_accepts_every_file(schema: FilePath) -> None:
    """The types that came with LwM2M 1.1 are younger than the published schema; only files of 1.1 and 1.2 use them."""
    validator = etree.XMLSchema(etree.parse(schema))
    for file in FILES:
        tree = etree.parse(file)
        newer = [e for e in tree.iter("Type") if e.text in ("Unsigned Integer", "Corelnk")]
        assert not newer or tree.findtext("Object/LWM2MVersion") != "1.0"
        for element in newer:
            element.text = "String"
        validator.assertValid(tree)


@pytest.mark.parametrize("folder", [REGISTRY] if REGISTRY.is_dir() else [], ids=lambda f: f.name)
def test_standard_objects_agree_with_the_registry(folder: FilePath) -> None:
    registry = {d.id: d for d in ddf.read_folder(folder)}
    for ours in MODEL:
        theirs = registry.get(ours.id)
        if theirs is not None and theirs.version == ours.version:
            assert ours.resources.keys() == theirs.resources.keys()
            assert (ours.name, ours.urn, ours.multiple) == (theirs.name, theirs.urn, theirs.multiple)
            assert [r.range.text for r in ours.resources.values()] == [r.range.text for r in theirs.resources.values()]
        for number, resource in ours.resources.items() if theirs else ():
            other = theirs.resources[number]  # type: ignore[union-attr]
            assert resource.name == other.name
            assert resource.operations == other.operations
            assert (resource.type, resource.multiple) == (other.type, other.multiple)
            assert resource.mandatory == other.mandatory


def test_executable_resources_have_no_type() -> None:
    for definition in MODEL:
        for resource in definition.resources.values():
            assert (resource.type is ResourceType.NONE) == (resource.operations is Operations.EXECUTE)


SMALL = """<LWM2M><Object ObjectType="MODefinition"><Name>N</Name><Description1/><ObjectID>33999</ObjectID>
<ObjectURN>urn</ObjectURN><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Resources>
<Item ID="1"><Name>A  b</Name><Operations>R</Operations><MultipleInstances>Single</MultipleInstances>
<Mandatory>Optional</Mandatory><Type>String</Type><RangeEnumeration/><Units/><Description/></Item>
</Resources><Description2/></Object></LWM2M>"""


def test_a_file_without_version_is_1_0_and_names_have_single_spaces() -> None:
    (definition,) = ddf.parse(SMALL.encode(), "small.xml")
    assert definition.version == "1.0"
    assert definition["A b"].id == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">String<", ">STRING<"),
        (">Single</MultipleInstances>", ">single</MultipleInstances>"),
        ("<RangeEnumeration/><Units/><Description/>", ""),
        ("<Description1/>", ""),
    ],
)
def test_slips_that_change_no_meaning_are_taken(old: str, new: str) -> None:
    assert old in SMALL
    (definition,) = ddf.parse(SMALL.replace(old, new).encode(), "small.xml")
    assert definition == ddf.parse(SMALL.encode(), "small.xml")[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("33999", "65535"),
        ("33999", "x"),
        ('ID="1"', 'ID="-1"'),
        ('ID="1"', ""),
        ("<Name>N</Name>", ""),
        ("Single</MultipleInstances><Mandatory>Optional</Mandatory><Resources>", "Few</MultipleInstances><Resources>"),
        ("<Operations>R<", "<Operations>X<"),
        ("String", "Text"),
        ("</LWM2M>", ""),
        ("<Object ", "<Objekt "),
        ("<LWM2M>", '<!DOCTYPE x [<!ENTITY a "b">]><LWM2M>'),
        ("<Name>N</Name>", f"<Name>{'n' * 70000}</Name>"),
    ],
)
def test_other_files_are_refused_with_their_name(old: str, new: str) -> None:
    assert old in SMALL
    with pytest.raises(InvalidDefinition, match=r"small\.xml"):
        ddf.parse(SMALL.replace(old, new, 1).encode(), "small.xml")


def test_a_resource_defined_twice_is_refused() -> None:
    item = SMALL[SMALL.index("<Item") : SMALL.index("</Resources>")]
    with pytest.raises(InvalidDefinition, match="twice"):
        ddf.parse(SMALL.replace(item, item * 2).encode(), "small.xml")


def test_size_is_bounded(tmp_path: FilePath) -> None:
    (tmp_path / "big.xml").write_bytes(b" " * (ddf.MAX_FILE + 1))
    with pytest.raises(InvalidDefinition, match="larger"):
        list(ddf.read_folder(tmp_path))
    with pytest.raises(InvalidDefinition, match="larger"):
        ddf.parse(b" " * (ddf.MAX_FILE + 1), "x")


def test_files_with_another_root_are_left_out() -> None:
    assert ddf.parse(b"<DDFList/>", "DDF.xml") == ()
