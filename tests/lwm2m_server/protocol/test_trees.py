"""The data model as plain values, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_server.protocol.trees import node_at, plain
from objects.errors import InvalidValue
from objects.nodes import ObjectInstance, ObjectNode, Resource, ResourceInstance
from objects.path import MAX_ID, Path
from objects.values import ObjectLink

ids = st.integers(0, MAX_ID)
values: st.SearchStrategy[Any] = (
    st.text()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.binary()
    | st.builds(ObjectLink, ids, ids)
)
resources = values | st.dictionaries(ids, values, max_size=3)
instances = st.dictionaries(ids, resources, max_size=3)


def test_every_level() -> None:
    assert node_at(Path(3, 0, 0), "x") == Resource(0, "x")
    assert node_at(Path(3, 0, 11, 2), 7) == ResourceInstance(2, 7)
    assert plain(ObjectNode(3, {0: ObjectInstance.of(0, {0: "x", 11: {0: 7}})})) == {0: {0: "x", 11: {0: 7}}}


@given(st.dictionaries(ids, instances, max_size=3), ids)
def test_a_tree_survives_both_ways(tree: dict[int, Any], number: int) -> None:
    assert plain(node_at(Path(number), tree)) == tree


@pytest.mark.parametrize(
    ("path", "tree"),
    [
        ("/3", 1),
        ("/3", {0: 1}),
        ("/3/0", 1),
        ("/3/0", {0: {1: {2: 3}}}),
        ("/3/0", {True: 1}),
        ("/3/0", {"0": 1}),
        ("/3/0", {65536: 1}),
        ("/3/0", {-1: 1}),
        ("/3/0/1", [1]),
        ("/3/0/1", None),
        ("/3/0/1", "\ud800"),
        ("/3/0/1/0", {0: 1}),
    ],
)
def test_a_tree_of_another_shape_is_refused(path: str, tree: Any) -> None:
    with pytest.raises(InvalidValue, match=path):
        node_at(Path.parse(path), tree)
