"""Public docstrings are complete: the pages of the API are made of them."""

from __future__ import annotations

import inspect
import re

import pytest

import skreg
from skreg import comparison, net
from skreg.net.layer_norm import layer_norm

PUBLIC = [getattr(skreg, name) for name in sorted(skreg.__all__)]
PUBLIC += [getattr(comparison, name) for name in ("Candidate", "default_candidates")]
#: Functions on tensors that have a page.
LAYERS = [
    net.activation,
    net.batch_norm_eval,
    net.batch_norm_train,
    net.dropout,
    layer_norm,
    net.linear,
]
#: Sections that numpydoc knows; it leaves others out of the page.
KNOWN = {
    *("Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns"),
    *("See Also", "Notes", "References", "Examples"),
}


def sections(text):
    """The sections of a numpydoc docstring, by their titles."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(text), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert set(found) <= KNOWN
    return found


def methods(kind):
    """Public methods that the package has written."""
    for name, method in inspect.getmembers(kind, callable):
        if not name.startswith("_") and getattr(method, "__module__", "").startswith("skreg."):
            yield name, method


def named(text):
    """Parameters that a section names; several may share a line."""
    lines = re.findall(r"^([*\w][\w*, ]*?) ?(?::.*)?$", text, flags=re.MULTILINE)
    return {word.strip(" *") for line in lines for word in line.split(",")}


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__name__)
def test_a_public_object_names_its_parameters_its_relatives_and_an_example(thing):
    found = sections(thing.__doc__)
    expected = set(inspect.signature(thing).parameters)
    assert expected - named(found.get("Parameters", "")) == set()
    assert "See Also" in found
    assert ">>>" in found["Examples"]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        pytest.param(name, method, id=f"{kind.__name__}.{name}")
        for kind in PUBLIC
        if inspect.isclass(kind)
        for name, method in methods(kind)
    ],
)
def test_a_public_method_says_what_it_takes_and_returns(name, method):
    found = sections(method.__doc__)
    expected = set(inspect.signature(method).parameters) - {"self"}
    assert expected - named(found.get("Parameters", "")) == set()
    assert "Returns" in found


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_a_layer_gives_the_shapes_of_what_it_takes_and_returns(layer):
    found = sections(layer.__doc__)
    assert set(inspect.signature(layer).parameters) - named(found["Parameters"]) == set()
    assert "shape" in found["Parameters"] and "shape" in found["Returns"]
