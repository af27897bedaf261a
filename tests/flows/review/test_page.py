"""The page's own text: data that ends no script, a policy that names what is in the file, one script for both ways."""

import base64
import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.review.page import script, served_page, standing_page, style
from tests.support.html_reading import Reading

HOSTILE = "</script><script>alert(1)</script><!--<script>\u2028\u2029&lt;]]>\"'`"


def data_of(page: str) -> object:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.mark.parametrize("draw", [served_page, standing_page], ids=["served", "standing"])
@given(text=st.text() | st.just(HOSTILE))
def test_whatever_is_said_stays_data(draw, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    page = draw({"name": text, text: [text]})
    assert data_of(page) == {"name": text, text: [text]}
    written = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert not set(written) & set("<>&\u2028\u2029")
    assert [tag for tag, _ in Reading(page).elements] == [tag for tag, _ in Reading(draw({})).elements]


def test_the_policy_of_the_file_names_its_script_and_its_style_and_lets_nothing_out() -> None:
    page = standing_page({})
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', page, re.DOTALL)[1]
    said = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    for name, inside in (
        ("script-src", re.findall(r"<script>(.*?)</script>", page, re.DOTALL)),
        ("style-src", re.findall(r"<style>(.*?)</style>", page, re.DOTALL)),
    ):
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert said[name] == f"'sha256-{digest}'"
    assert (said["default-src"], said["img-src"]) == ("'none'", "data:")
    assert "connect-src" not in said
    assert not re.search(r"(src|href)=\"(?!#)", page)


def test_the_script_makes_no_markup_and_runs_no_text() -> None:
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        'setAttribute("on',
    ):
        assert word not in script()
    assert "</script" not in script()
    assert "</style" not in style()
    assert "url(" not in style()
