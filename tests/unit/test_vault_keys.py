"""The setting ORDERBRIDGE_MASTER_KEY: what it may say, what its mistakes look like, and that it never shows."""

import copy
import pickle
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.errors import ConfigurationError
from orderbridge.vault import MasterKeys, Vault
from orderbridge.vault.keys import WrongKey

OLD = b64encode(bytes(range(32))).decode()
NEW = b64encode(bytes(range(100, 132))).decode()
ABOUT = b"orders/main:113-0000001-0000001"


def test_the_first_key_seals_and_every_key_unseals() -> None:
    before = MasterKeys.parse(f"k1:{OLD}")
    after = MasterKeys.parse(f" k2:{NEW} , k1:{OLD}\n")

    kid, sealed = before.seal(b"Ada Example", ABOUT)

    assert (kid, after.newest) == ("k1", "k2")
    assert after.unseal("k1", sealed, ABOUT) == b"Ada Example"
    assert after.seal(b"", ABOUT)[0] == "k2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        (OLD, "entry 1 is not"),
        (f":{OLD}", "entry 1 is not"),
        (f"{OLD}:k1", "entry 1 is not"),
        (f"k1 {OLD}", "entry 1 is not"),
        (f"k1:{OLD},", "entry 2 is not"),
        (f"k1:{OLD},{NEW}", "entry 2 is not"),
        (f"{'k' * 33}:{OLD}", "entry 1 is not"),
        ("k1:", "has 0 bytes, not 32"),
        (f"k1:{OLD[:-8]}", "has 27 bytes, not 32"),
        (f"k1:{OLD[:-1]}", "is not base64"),
        (f"k1:{OLD[:10]}!{OLD[10:]}", "is not base64"),
        (f"k1:{OLD}é", "is not base64"),
        (f"k1:{OLD},k1:{NEW}", "names generation k1 twice"),
        (f"k1:{OLD},k2:{OLD}", "the key of generation k2 twice"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_setting_and_shows_no_key(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        MasterKeys.parse(text)

    message = str(caught.value)
    assert message.startswith("ORDERBRIDGE_MASTER_KEY")
    assert says in message
    assert "\n" not in message
    assert OLD[:10] not in message
    assert NEW[:10] not in message
    assert caught.value.__cause__ is None


def test_no_representation_shows_a_key() -> None:
    keys = MasterKeys.parse(f"k2:{NEW},k1:{OLD}")

    shown = f"{keys!r} {keys} {Vault(keys)!r} {vars(keys)!r} {vars(Vault(keys))!r}"

    assert "MasterKeys(k2, k1)" in shown
    assert NEW[:10] not in shown
    assert repr(bytes(range(100, 132)))[2:-1] not in shown


def test_keys_are_neither_pickled_nor_copied() -> None:
    keys = MasterKeys.parse(f"k1:{OLD}")

    with pytest.raises(TypeError):
        pickle.dumps(keys)
    with pytest.raises(TypeError):
        copy.copy(keys)


def test_a_generation_that_is_not_given_is_named_with_the_remedy() -> None:
    keys = MasterKeys.parse(f"k2:{NEW}")

    with pytest.raises(ConfigurationError, match=r"lacks generation k1.*add k1"):
        keys.unseal("k1", b"", ABOUT)


def test_what_one_generation_sealed_is_not_taken_for_anothers() -> None:
    one = MasterKeys.parse(f"k1:{OLD}")
    renamed = MasterKeys.parse(f"k9:{OLD}")

    _, sealed = one.seal(b"Ada Example", ABOUT)

    with pytest.raises(WrongKey):
        renamed.unseal("k9", sealed, ABOUT)


@given(plaintext=st.binary(max_size=200), about=st.binary(max_size=40))
def test_what_is_sealed_comes_back_and_never_looks_the_same_twice(plaintext: bytes, about: bytes) -> None:
    keys = MasterKeys.parse(f"k1:{OLD}")

    _, first = keys.seal(plaintext, about)
    _, second = keys.seal(plaintext, about)

    assert keys.unseal("k1", first, about) == plaintext
    assert first != second


@given(data=st.data(), plaintext=st.binary(max_size=50))
def test_one_flipped_bit_anywhere_is_noticed(data: st.DataObject, plaintext: bytes) -> None:
    keys = MasterKeys.parse(f"k1:{OLD}")
    _, sealed = keys.seal(plaintext, ABOUT)
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))

    flipped = bytearray(sealed)
    flipped[bit // 8] ^= 1 << bit % 8

    with pytest.raises(WrongKey):
        keys.unseal("k1", bytes(flipped), ABOUT)


@given(length=st.integers(0, 27))
def test_what_is_too_short_to_be_sealed_is_noticed(length: int) -> None:
    keys = MasterKeys.parse(f"k1:{OLD}")

    with pytest.raises(WrongKey):
        keys.unseal("k1", bytes(length), ABOUT)
