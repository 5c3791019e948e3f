"""The pieces that pages are made of."""

from benchmarks.rst import table


def test_a_cell_that_begins_as_a_list_is_text():
    lines = table(("candidate", "gain"), [("+ dropout", "-0.1"), ("- none", "* 2")]).splitlines()
    assert lines[5:] == ["   * - \\+ dropout", "     - -0.1", "   * - \\- none", "     - \\* 2"]
