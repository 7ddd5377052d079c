"""What holds of the title rule whatever the products and titles are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orderbridge_matcher.domain.titles import Titled, fit_title, possible_keys, product_key

# fmt: off
SAMPLES = (
    "T-Shirt", "Mug", "Blue", "Navy Blue", "XL", "XXL", "X", "M6", "M16", "16 mm", "16mm", "9", "9.5", "0.5", ".5",
    "1/2", "9 1/2", "1,000", "5-10", "1:18", "S10", "S10+", "C++", "C#", "100%", "20°C", "10x20", "A4 6", "(2024)",
    "Größe", "Café", "红色", "синий", "Men's", "Salt & Pepper", "No. 5", "5m²", "H₂O", "İpek", "ΦΩΣ", "مقاس", "٤٢",
)
# fmt: on
WORDS = st.one_of(st.sampled_from(SAMPLES), st.text("abXLsm", min_size=1, max_size=4), st.integers(0, 130).map(str))
TEXTS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join).filter(product_key)
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.text(" -–'\"″.,:;/+·&=()|0123456789²½①aXLé\u0301\u200b红٤ßİΣσ™×\x00", max_size=14),
)
QUICK = settings(deadline=None, max_examples=100)
APART = st.sampled_from((": ", ", ", " - ", " – ", " | ", "; ", " / ", " (", " [", ") (", "，"))
"""A plain space parts labels too, but not two numbers that may be one (``9 1/2``)."""


@dataclass(frozen=True)
class Sale:
    """A product, one of its variants, and a title that names it: ``left_out`` options are the same for all variants."""

    product: tuple[Titled, ...]
    sold: Titled
    title: str
    left_out: frozenset[str]


@st.composite
def products(draw: st.DrawFn) -> tuple[Titled, ...]:
    title = draw(TEXTS)
    names = draw(st.lists(TEXTS, max_size=3, unique=True))
    values = [draw(st.lists(TEXTS, min_size=1, max_size=3, unique=True)) for _ in names]
    rows = st.tuples(*(st.sampled_from(each) for each in values))
    mixes = draw(st.lists(rows, min_size=1, max_size=5 if names else 1, unique=True))
    return tuple(
        Titled(f"v{n}", "p", title, tuple(zip(names, mix, strict=True)) or (("Title", "Default Title"),))
        for n, mix in enumerate(mixes)
    )


@st.composite
def sales(draw: st.DrawFn, *, whole: bool = False) -> Sale:
    product = draw(products())
    sold = draw(st.sampled_from(product))
    options = [] if sold.options[0][0] == "Title" else list(draw(st.permutations(sold.options)))
    shared = {name for name, value in options if all((name, value) in one.options for one in product)}
    left_out = frozenset(name for name in shared if not whole and draw(st.booleans()))
    title = sold.product_title
    for name, value in options:
        if name not in left_out:
            label = draw(
                st.sampled_from(
                    (value, f"{name}: {value}", f"{name} - {value}", f"{name}={value}", f"{name} / {value}")
                )
            )
            title += draw(APART) + label
    return Sale(product, sold, title, left_out)


def tokens(text: str) -> Counter[str]:
    return Counter(product_key(text).split())


@QUICK
@given(sales())
def test_a_variants_own_title_in_any_style_and_order_always_fits_it(sale: Sale) -> None:
    assert sale.sold in fit_title(sale.title, sale.product).fitting


@QUICK
@given(sales(), st.randoms(use_true_random=False))
def test_the_verdict_does_not_depend_on_the_order(sale: Sale, random: Random) -> None:
    shuffled = list(sale.product)
    random.shuffle(shuffled)

    assert fit_title(sale.title, shuffled) == fit_title(sale.title, sale.product)


@QUICK
@given(sales(), products(), st.text("abc", min_size=1, max_size=3))
def test_an_unrelated_product_changes_nothing(sale: Sale, other: tuple[Titled, ...], name: str) -> None:
    unrelated = [one._replace(product_id=f"other {name}") for one in other]
    assume(product_key(other[0].product_title) not in possible_keys(sale.title))

    assert fit_title(sale.title, [*unrelated, *sale.product]) == fit_title(sale.title, sale.product)


@QUICK
@given(sales(), products())
def test_another_product_of_any_title_takes_no_fit_away(sale: Sale, other: tuple[Titled, ...]) -> None:
    more = [one._replace(product_id="other", variant_id=f"other {one.variant_id}") for one in other]
    fitting = fit_title(sale.title, [*sale.product, *more]).fitting

    assert set(fit_title(sale.title, sale.product).fitting) == {one for one in fitting if one.product_id == "p"}


@QUICK
@given(sales(whole=True), st.data())
def test_no_digit_can_change_and_the_title_still_fit(sale: Sale, data: st.DataObject) -> None:
    places = [n for n, one in enumerate(sale.title) if one.isascii() and one.isdecimal()]
    assume(places)
    place = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from([one for one in "0123456789" if one != sale.title[place]]))
    changed = sale.title[:place] + digit + sale.title[place + 1 :]

    assert sale.sold not in fit_title(changed, sale.product).fitting


@QUICK
@given(sales(), WORDS)
def test_nothing_may_be_left_unexplained(sale: Sale, word: str) -> None:
    known = tokens(sale.title) + tokens(word)
    for one in fit_title(f"{sale.title}, {word}", sale.product).fitting:
        said = tokens(one.product_title)
        for name, value in one.options:
            said += tokens(name) + tokens(value)
        assert known <= said


@QUICK
@given(sales())
def test_every_option_that_varies_must_be_named(sale: Sale) -> None:
    for one in fit_title(sale.title, sale.product).fitting:
        for name, value in one.options:
            same = all(product_key(dict(each.options).get(name, "")) == product_key(value) for each in sale.product)
            assert same or tokens(value) <= tokens(sale.title)


@QUICK
@given(sales())
def test_what_fits_is_found_by_its_key(sale: Sale) -> None:
    for one in fit_title(sale.title, sale.product).fitting:
        assert product_key(one.product_title) in possible_keys(sale.title)


@QUICK
@given(ANY_TEXT)
def test_folding_is_idempotent(text: str) -> None:
    key = product_key(text)

    assert product_key(key) == key
    assert not key or possible_keys(key)[-1] == key


@QUICK
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_no_text_makes_it_raise(title: str, other: str, value: str) -> None:
    one = Titled("v1", "p", other, ((value, title), (other, value)))
    two = Titled("v2", "p", title[:3], ((value, other),))

    fit_title(title, [one, two])
    fit_title(f"{other} {value}: {title}", [one, two])
    possible_keys(title)


@QUICK
@given(ANY_TEXT.filter(product_key))
def test_any_text_is_the_title_of_the_product_that_has_it(text: str) -> None:
    one = Titled("v", "p", text, (("Title", "Default Title"),))

    assert fit_title(text, [one]).fitting == (one,)
