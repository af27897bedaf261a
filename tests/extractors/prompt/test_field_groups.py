"""Groups of a wide schema: together the whole of it, each small enough, lists never cut."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from extractors.prompt.field_groups import groups
from schemas.document_types import DOCUMENT_TYPES
from schemas.fields import Field, field_tree, walk_fields

LEAF = {"type": "string"}
NAMES = st.integers(0, 40).map(lambda number: f"f{number}")
PROPERTIES = st.recursive(
    st.dictionaries(NAMES, st.just(LEAF), min_size=1, max_size=8),
    lambda inner: st.dictionaries(
        NAMES,
        st.just(LEAF)
        | inner.map(lambda below: {"type": "object", "properties": below})
        | inner.map(lambda below: {"type": "array", "items": {"type": "object", "properties": below}}),
        min_size=1,
        max_size=8,
    ),
    max_leaves=60,
)


def leaves(field: Field) -> list[str]:
    return [path for path, _ in walk_fields(field)]


@given(PROPERTIES, st.integers(1, 30))
def test_groups_together_are_the_schema_and_each_is_small(properties: dict[str, Any], most: int) -> None:
    root = field_tree({"type": "object", "properties": properties})
    made = groups(root, most)
    asked = [path for group in made for path in leaves(group)]
    assert sorted(asked) == sorted(leaves(root))
    assert asked == leaves(root)  # in the schema's order
    for group in made:
        paths = leaves(group)
        lists = {path.partition("/*")[0] for path in paths if "/*" in path}
        is_one_list = len(lists) == 1 and all("/*" in path for path in paths)
        assert len(paths) <= most or is_one_list
    heads = [{path.partition("/*")[0] for path in leaves(group) if "/*" in path} for group in made]
    assert sum(map(len, heads)) == len(set().union(*heads))  # no list is in two groups


def test_a_schema_that_is_not_wide_is_one_group_and_the_very_same() -> None:
    for each in DOCUMENT_TYPES.values():
        assert groups(each.root, 80) == (each.root,)
