"""Output that programs and terminals read."""

import io
import json
from contextlib import redirect_stdout

from hypothesis import given
from hypothesis import strategies as st

from flows.ui.terminal import print_json


@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_json_commands_no_terminal_and_reads_back_the_same(value: dict) -> None:
    said = io.StringIO()
    with redirect_stdout(said):
        print_json(value)
    line = said.getvalue().removesuffix("\n")
    assert line.isprintable()
    assert json.loads(line) == value
