"""Cells of text that are numbers: decimal commas, thousands separators, %, currencies, odd words.

A column of text is read as numbers only where it clearly holds them. Codes (whole numbers with
leading zeros, telephone numbers), dates, version numbers and categories such as "A1" stay text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "MISSING_WORDS",
    "NumberColumn",
    "decimal_votes",
    "holds_codes",
    "read_known_numbers",
    "read_numbers",
    "tidy",
    "unit_of",
    "usual_missing",
]

# what pandas reads as missing; taken so without a note
_PANDAS = (
    "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|"
    "null|NaT"
)
USUAL_MISSING = frozenset(_PANDAS.split("|"))
# what people and spreadsheets write where a number is missing, in lower case
_PEOPLE = (
    "-|:|--|---|\u2013|\u2014|.|..|...|\u2026|?|??|???|*|**|n.a.|n.a|n. a.|n.d.|n.d|n/d|nd|n.r.|nr|k.a.|"
    "k. a.|nil|missing|unknown|unk|not available|not applicable|not known|not reported|not measured|"
    "no data|no value|no answer|keine angabe|fehlt|undefined|undef|blank|(blank)|empty|(null)|tbd|tba|"
    "#div/0!|#value!|#ref!|#name?|#num!|#null!|#error!|error|#wert!|#bezug!|#zahl!|#nv|#nv!"
)
MISSING_WORDS = frozenset(_PEOPLE.split("|")) | {word.casefold() for word in USUAL_MISSING}

_CURRENCIES = (
    r"(?:US|CA|AU|NZ|HK|R|C|A)?\$|[\u20ac\u00a3\u00a5\u20b9\u20a9\u20bd\u20ba\u20aa\u0e3f]|EUR|USD|GBP|CHF|JPY|CNY|INR|CAD"
    r"|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|RUB|TRY|KRW|Rs\.?|kr\.?|s?Fr\.?"
)
# signs that stand in no unit
_NO_UNIT = r"()\[\]+<>=:;\"_\#*!?\u2020\u2021"
_CELL = re.compile(
    rf"""'?(?P<open>\()?\s*
    (?P<bound><=|>=|=<|=>|[<>\u2264\u2265~\u2248]|ca\.?|circa|approx\.?|about)?\s*
    (?P<sign>[+-])?\s*(?P<before>{_CURRENCIES})?\s*(?P<inner>[+-])?\s*
    (?P<body>\d[\d.,'\ ]*|[.,]\d+)(?P<exponent>[eE][+-]?\d+)?\s*
    (?P<after>\+|--?)?\s*
    (?P<unit>[^\d\s.,/'{_NO_UNIT}-][^\d{_NO_UNIT}-]{{0,11}}[23]?)?
    (?P<close>\))?(?P<footnote>\s*(?:[*\u2020\u2021?!]{{1,3}}|\[\w{{1,2}}\]))?""",
    re.VERBOSE,
)
_CURRENCY = re.compile(_CURRENCIES)
# a whole part, grouped or not, and a fraction; by decimal mark
_BODY = {
    mark: re.compile(
        rf"(?:\d+|[1-9]\d{{0,2}}(?:{other}\d{{2,3}})*{other}\d{{3}}|[1-9]\d{{0,2}}(?:[ ']\d{{3}})+)?"
        rf"(?:{re.escape(mark)}\d*)?"
    )
    for mark, other in ((".", ","), (",", r"\."))
}
_TO_FLOAT = {".": str.maketrans("", "", ", '"), ",": str.maketrans(",", ".", ". '")}
_BLANKS = re.compile(r"[\s\u00a0\u2007\u2009\u202f]+")
# minus signs, the marks of Arabic numbers, and signs of East Asian width, this far from the usual ones
_SIGNS = str.maketrans(
    {"\u2212": "-", "\u2013": "-", "\u2012": "-", "\u2019": "'", "\u066b": ".", "\u066c": ","}
    | {chr(ord(sign) + 0xFEE0): sign for sign in ".,%+-()<>=~$"}
)
_DIGIT = re.compile(r"\d")
_MULTIPLES = {"k": 1e3, "K": 1e3, "M": 1e6, "Mio": 1e6, "Mio.": 1e6, "B": 1e9, "bn": 1e9}
_CODE = r"0\d{2,}|\+\d{7,}"
_INFINITE = re.compile(r"[+-]?(?:inf|infinity|\u221e)", re.IGNORECASE)
_MINUS = re.compile("[\u2212\u2012\u2013](?=.)")
_ANY_DIGIT = str.maketrans("23456789", "11111111")

# a column is looked through as a whole only if this share of a sample can be numbers
SAMPLE, SAMPLE_SHARE = 500, 0.3
# unknown words are taken for missing only if numbers are this share of the cells, and vary
NUMBER_SHARE, MIN_DISTINCT = 0.6, 10
# cells with digits that are not numbers, such as "12-B", speak for codes
ODD_SHARE = 0.02
# cells with the other decimal mark, and codes among numbers, are strays up to this share
STRAY_SHARE = 0.02


class _Cell(NamedTuple):
    """One cell, taken apart."""

    body: str
    span: tuple[int, int]
    exponent: str
    negative: bool
    bound: str
    currency: str
    unit: str
    footnote: str


class _Shapes(NamedTuple):
    """Cells of one shape ("-1,5" and "-7,3") are taken apart once."""

    codes: NDArray[np.intp]
    cells: list[_Cell | None]
    texts: list[str]
    counts: NDArray[np.intp]


@dataclass(frozen=True)
class NumberColumn:
    """A column of text, read as numbers.

    Attributes
    ----------
    values : ndarray of shape (n_rows,)
        The numbers, NaN where there is none; whole numbers where nothing is missing.
    n_numbers, n_present : int
        Cells that are numbers, and cells that are not empty.
    words : list of str
        Words that were taken for missing, the most frequent first.
    notations : list of str
        What was taken off to see the number, such as "decimal commas"; empty for plain numbers.
    example : str
        The first cell with such a notation.
    """

    values: NDArray
    n_numbers: int
    n_present: int
    words: list[str]
    notations: list[str]
    example: str


def tidy(text: str) -> str:
    """Strip a cell, write every kind of blank as a space and every minus as "-".

    Examples
    --------
    >>> from skreg.comparison.numbers import tidy
    >>> tidy(" \\u22125\\u00a0000 ")
    '-5 000'
    """
    if text.isascii():
        return text.strip()
    text = _BLANKS.sub(" ", text).strip().translate(_SIGNS)
    return _DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)


def usual_missing(cells: pd.Series) -> pd.Series:
    """Where cells of text are empty, or what pandas too reads as missing ("NA", "null", ...)."""
    return cells.isna() | cells.isin(USUAL_MISSING | {""})


def holds_codes(column: pd.Series) -> bool:
    """Whether whole numbers of a column are codes: with leading zeros, or telephone numbers.

    Parameters
    ----------
    column : Series of str
        Stripped cells.

    Returns
    -------
    bool

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.comparison.numbers import holds_codes
    >>> holds_codes(pd.Series(["01234", "94110"])), holds_codes(pd.Series(["0.5", "01", "12"]))
    (True, False)
    """
    cells = column.dropna()
    codes = cells.str.fullmatch(_CODE)
    if not codes.any() or cells.str.contains("[.,]", regex=True).any():
        return False
    return bool(codes.mean() > STRAY_SHARE or cells.str.len().nunique() == 1)


def decimal_votes(column: pd.Series) -> Counter[str]:
    """Count the cells that tell whether the decimal mark is a point or a comma.

    Parameters
    ----------
    column : Series of str
        Stripped cells.

    Returns
    -------
    Counter
        Distinct cells by "." and ",", and by "?" where both can be: "1,234". Empty if the column
        does not look like numbers.
    """
    texts = [tidy(text) for text in _distinct(column)[1]]
    if not _may_be_numbers(texts):
        return Counter()
    return _votes(_shapes(texts, np.ones(len(texts), dtype=np.intp)))


def read_numbers(column: pd.Series, hint: str | None = None) -> NumberColumn | None:
    """Read a column of text as numbers where it clearly holds numbers.

    Parameters
    ----------
    column : Series of str
        Stripped cells; missing ones are NaN.
    hint : {".", ","} or None, default=None
        The decimal mark where the column alone does not tell ("1,234"). None reads a lone comma as
        a thousands separator, unless there are whole numbers of four digits without one.

    Returns
    -------
    NumberColumn or None
        None if the column is not clearly numeric.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.comparison.numbers import read_numbers
    >>> found = read_numbers(pd.Series(["1.234,5", "-", "7,25", "(3,0)"]))
    >>> found.values.tolist(), found.words
    ([1234.5, nan, 7.25, -3.0], ['-'])
    >>> read_numbers(pd.Series(["A1", "A2", "B1"])) is None
    True
    """
    codes, cells = _distinct(column)
    texts = [tidy(text) for text in cells]
    if not _may_be_numbers(texts):
        return None
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    shapes = _shapes(texts, counts)
    if holds_codes(column):
        return None
    mark = _decimal(shapes, hint)
    if mark is None or not _one_unit(shapes):
        return None
    numbers = _values(texts, shapes, mark)
    words = _words(texts, numbers, counts)
    if words is None or not _notations_are_clear(shapes, numbers):
        return None
    found = np.append(numbers, np.nan)[codes]
    n_numbers = int(~np.isnan(numbers) @ counts)
    if n_numbers == len(found) and all(re.fullmatch(r"[+-]?\d{1,15}", t) for t in shapes.texts):
        found = found.astype(np.int64)
    words = [str(cells[k]) for k in words if cells[k] not in USUAL_MISSING]
    notations, example = _notations(shapes, mark)
    odd_minus = [cell for cell in cells if not cell.isascii() and _MINUS.search(cell)]
    if odd_minus:
        notations, example = [*notations, "typographic minus signs"], example or odd_minus[0]
    return NumberColumn(found, n_numbers, int(counts.sum()), words, notations, example)


def unit_of(column: pd.Series) -> str:
    """The unit that most numbers of a column have behind them; "" for none, and for no text.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.comparison.numbers import unit_of
    >>> unit_of(pd.Series(["12.5%", "7%", "-"])), unit_of(pd.Series(["3 days", "1 day", "2"]))
    ('%', 'day')
    >>> unit_of(pd.Series([1.5, 2.0]))
    ''
    """
    if column.dtype.kind in "iufb" or column.isna().all():
        return ""
    codes, cells = _distinct(column)
    texts = [tidy(text) for text in cells]
    shapes = _shapes(texts, np.bincount(codes[codes >= 0], minlength=len(texts)))
    found: Counter[str] = Counter()
    for cell, count in zip(shapes.cells, shapes.counts, strict=True):
        if cell is not None:
            found["" if cell.unit in _MULTIPLES else _singular(cell.unit).casefold()] += int(count)
    return found.most_common(1)[0][0] if found else ""


def read_known_numbers(column: pd.Series, hint: str | None = None) -> NDArray[np.float64]:
    """Read cells of a column that is known to hold numbers, be it one cell only.

    Parameters
    ----------
    column : Series of str
        Stripped cells, at least one of them not missing.
    hint : {".", ","} or None, default=None
        As of `read_numbers`.

    Returns
    -------
    ndarray of shape (n_rows,)
        NaN where a cell is missing or no number.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.comparison.numbers import read_known_numbers
    >>> read_known_numbers(pd.Series(["1,5", "soon"])).tolist()
    [1.5, nan]
    """
    codes, cells = _distinct(column)
    texts = [tidy(text) for text in cells]
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    shapes = _shapes(texts, counts)
    mark = _decimal(shapes, hint) or hint or "."
    return np.append(_values(texts, shapes, mark), np.nan)[codes]


def _distinct(column: pd.Series) -> tuple[NDArray[np.intp], list[str]]:
    """The distinct cells, and which of them stands in each row (-1 where none does)."""
    codes, cells = pd.factorize(column)
    return codes, np.asarray(cells, dtype=object).tolist()


def _may_be_numbers(texts: Sequence[str]) -> bool:
    sample = [texts[k] for k in np.linspace(0, len(texts) - 1, SAMPLE).astype(int)] if texts else []
    sample = [t for t in dict.fromkeys(sample) if t.casefold() not in MISSING_WORDS]
    fits = sum(_taken_apart(text) is not None for text in sample)
    return fits > 0 and fits >= SAMPLE_SHARE * len(sample)


def _shapes(texts: Sequence[str], counts: NDArray[np.intp]) -> _Shapes:
    """Group cells that differ in their digits alone; 0 is kept, since 0,123 is not 1,123."""
    shaped = np.array([text.translate(_ANY_DIGIT) for text in texts], dtype=object)
    codes, shapes = pd.factorize(shaped)
    first = np.full(len(shapes), -1, dtype=np.intp)
    first[codes[::-1]] = np.arange(len(texts))[::-1]
    of_shape = np.bincount(codes, weights=counts, minlength=len(shapes)).astype(np.intp)
    examples = [texts[k] for k in first]
    return _Shapes(codes, [_taken_apart(text) for text in examples], examples, of_shape)


def _taken_apart(text: str) -> _Cell | None:
    found = _CELL.fullmatch(text)
    if found is None or (found["open"] is None) != (found["close"] is None):
        return None
    signs = [s for s in (found["sign"], found["inner"]) if s]
    body, after = found["body"].rstrip(), found["after"] or ""
    if after.startswith("-") and body[-1] in ".,":
        body, after = body[:-1], ""  # "5,-" is a price without cents
    if len(signs) > 1 or after == "--" or (after == "-" and (signs or found["open"])):
        return None
    if after == "-" and found["unit"]:
        return None  # "12-B" is a code
    unit, currency = (found["unit"] or "").strip(), found["before"] or ""
    if not currency and _CURRENCY.fullmatch(unit):
        unit, currency = "", unit
    start = found.start("body")
    return _Cell(
        body,
        (start, start + len(body)),
        found["exponent"] or "",
        "-" in signs or after == "-" or found["open"] is not None,
        found["bound"] or ("+" if after == "+" else ""),
        currency,
        unit,
        found["footnote"] or "",
    )


def _mark(body: str) -> str:
    """Decimal mark of one number: ".", ",", "?" for both, "" for no sign of it, "x" for neither."""
    if body.isdigit():
        return ""
    point, comma = (_BODY[mark].fullmatch(body) is not None for mark in ".,")
    if point and comma:
        return "?" if "." in body or "," in body else ""
    return "." if point else "," if comma else "x"


def _votes(shapes: _Shapes) -> Counter[str]:
    votes: Counter[str] = Counter()
    for cell, count in zip(shapes.cells, shapes.counts, strict=True):
        if cell is not None and (mark := _mark(cell.body)) in ("?", ".", ","):
            # "1,234e-05": nobody groups thousands in front of an exponent
            if mark == "?" and cell.exponent:
                mark = "," if "," in cell.body else "."
            votes[mark] += int(count)
    return votes


def _decimal(shapes: _Shapes, hint: str | None) -> str | None:
    """The decimal mark of a column; None where the cells contradict one another."""
    votes = _votes(shapes)
    mark, other = (".", ",") if votes["."] >= votes[","] else (",", ".")
    if votes[other] > STRAY_SHARE * votes.total():
        return None
    # one odd cell does not turn all others, such as 1.234, into thousands
    if votes[mark] > STRAY_SHARE * votes.total() or (mark == "." and votes[mark]):
        return mark
    if hint is not None:
        return hint
    bodies = [cell.body for cell in shapes.cells if cell is not None]
    # 1234 beside 1,234: whoever writes the first does not group thousands
    ungrouped = any(body.isdigit() and len(body) >= 4 for body in bodies)
    return "," if ungrouped and any("," in body for body in bodies) else "."


def _one_unit(shapes: _Shapes) -> bool:
    """Whether the numbers have no unit, all the same, or multiples such as k and M."""
    units: Counter[str] = Counter()
    for cell, count in zip(shapes.cells, shapes.counts, strict=True):
        if cell is not None:
            units[_singular(cell.unit)] += int(count)
    named, plain = set(units) - {""}, units[""] / max(1, sum(units.values()))
    if not named or named == {"%"}:
        return True
    if named <= set(_MULTIPLES):
        # among a few house numbers, "12B" is no billion
        amounts = any(cell is not None and cell.currency for cell in shapes.cells)
        return plain <= 0.8 or amounts
    # "12a" among house numbers is no unit; "12 kg" is
    plain_share = 0.1 if len(max(named, key=len)) == 1 else 0.5
    return len(named) == 1 and plain <= plain_share


def _singular(unit: str) -> str:
    return unit.removesuffix("s") if len(unit) > 2 else unit


def _values(texts: Sequence[str], shapes: _Shapes, mark: str) -> NDArray[np.float64]:
    """The number of each text, NaN where there is none."""
    fits = [c is not None and _BODY[mark].fullmatch(c.body) is not None for c in shapes.cells]
    spans = [cell.span if fit else (0, 0) for cell, fit in zip(shapes.cells, fits, strict=True)]
    bodies = [
        text[slice(*spans[code])].translate(_TO_FLOAT[mark]) if fits[code] else ""
        for text, code in zip(texts, shapes.codes, strict=True)
    ]
    found = pd.to_numeric(pd.Series(bodies, dtype=object), errors="coerce")
    numbers = np.array(found, dtype=float)
    for k, text in enumerate(texts):
        code = shapes.codes[k]
        # an exponent differs within a shape, and infinity has no digits
        if fits[code] and shapes.cells[code].exponent:
            numbers[k] = float(bodies[k] + _taken_apart(text).exponent)
        elif not fits[code] and _INFINITE.fullmatch(text):
            numbers[k] = float(text.replace("\u221e", "inf"))
    return numbers * _factors(shapes, numbers)


def _factors(shapes: _Shapes, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signs, multiples, and per cent where "12%" and "0.12" stand in one column."""
    factors = np.ones(len(shapes.cells))
    percent = np.zeros(len(shapes.cells), dtype=bool)
    units = {cell.unit for cell in shapes.cells if cell is not None} - {""}
    for code, cell in enumerate(shapes.cells):
        if cell is None:
            continue
        percent[code] = cell.unit == "%"
        if units <= set(_MULTIPLES) and cell.unit:
            factors[code] = _MULTIPLES[cell.unit]
        if cell.negative:
            factors[code] *= -1
    factors, percent = factors[shapes.codes], percent[shapes.codes]
    plain = ~percent & np.isfinite(numbers)
    if percent.any() and plain.any() and np.abs(numbers[plain]).max() <= 1:
        factors[percent] /= 100
    return factors


def _notations_are_clear(shapes: _Shapes, numbers: NDArray[np.float64]) -> bool:
    """Whether units and bounds go with numbers that vary.

    "<0.1" is a limit among numbers, "<=50K" beside ">50K" are two categories.
    """
    bounded = np.array([cell is not None and cell.bound != "" for cell in shapes.cells], dtype=bool)
    plain = np.array([cell is not None and cell.bound == "" for cell in shapes.cells], dtype=bool)
    units = {cell.unit for cell in shapes.cells if cell is not None} - {"", "%"}
    if not bounded.any() and not units:
        return True
    bounds = {cell.bound for cell in shapes.cells if cell is not None and cell.bound}
    few = plain @ shapes.counts >= bounded @ shapes.counts or len(bounds) == 1
    return bool(few) and len(np.unique(numbers[~np.isnan(numbers)])) >= 3


def _notations(shapes: _Shapes, mark: str) -> tuple[list[str], str]:
    """What was taken off the numbers, in words, and the first cell that shows it."""
    found: dict[str, str] = {}
    currencies: dict[str, None] = {}
    for text, cell in zip(shapes.texts, shapes.cells, strict=True):
        if cell is None or _BODY[mark].fullmatch(cell.body) is None:
            continue
        group = "." if mark == "," else ","
        seen = {
            "decimal commas": mark == "," and "," in cell.body,
            "thousands separators": any(sign in cell.body for sign in (" ", "'", group)),
            "currency signs": bool(cell.currency),
            "percent signs": cell.unit == "%",
            "multiples (k, M)": cell.unit in _MULTIPLES,
            f"the unit {_singular(cell.unit)!r}": cell.unit not in ("", "%", *_MULTIPLES),
            "parentheses for negative numbers": text.startswith("("),
            "bounds taken for the number itself": bool(cell.bound),
            "marks of footnotes": bool(cell.footnote),
        }
        for notation, is_there in seen.items():
            if is_there:
                found.setdefault(notation, text)
        if cell.currency:
            currencies[cell.currency] = None
    if len(currencies) > 1:
        found[f"several currencies ({', '.join(currencies)}) without conversion"] = ""
    return list(found), next(iter(found.values()), "")


def _words(
    texts: Sequence[str], numbers: NDArray[np.float64], counts: NDArray[np.intp]
) -> NDArray[np.intp] | None:
    """Texts taken for missing, the most frequent first; None if they may be categories."""
    odd = np.flatnonzero(np.isnan(numbers))
    n_distinct = len(np.unique(numbers[~np.isnan(numbers)]))
    if n_distinct < 2:
        return None
    unknown = np.array([k for k in odd if texts[k].casefold() not in MISSING_WORDS], dtype=np.intp)
    if len(unknown):
        n_numbers, n_unknown = int(~np.isnan(numbers) @ counts), int(counts[unknown].sum())
        total = n_numbers + n_unknown
        with_digits = [k for k in unknown if any(c.isdigit() for c in texts[k])]
        may_be_categories = n_numbers < NUMBER_SHARE * total or n_distinct <= MIN_DISTINCT
        may_be_codes = counts[with_digits].sum() > ODD_SHARE * total if with_digits else False
        if may_be_categories or may_be_codes or len(unknown) > max(5, 0.05 * total):
            return None
    return odd[np.argsort(-counts[odd], kind="stable")]
