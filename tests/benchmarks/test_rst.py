"""The pieces that pages are made of."""

import shlex

from benchmarks.rst import shell, table


def test_a_cell_that_begins_as_a_list_is_text():
    lines = table(("candidate", "gain"), [("+ dropout", "-0.1"), ("- none", "* 2")]).splitlines()
    assert lines[5:] == ["   * - \\+ dropout", "     - -0.1", "   * - \\- none", "     - \\* 2"]


def test_a_long_command_is_the_same_in_several_lines():
    command = "python -m benchmarks.report rows.csv --methods " + " ".join(
        f"a-b:c={k}" for k in range(40)
    )
    lines = shell(command).splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) < 95
    assert shlex.split(shell(command).replace("\\\n", "")) == shlex.split(command)
