"""Characters of a title: one spelling for what looks or means the same, and the kind of each."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARS = 1000
"""A longer text is not compared: Amazon's titles end at 500, Shopify's at 255. Counted before normalising, which is
slow on floods of combining marks, and after it, because it can make one character eighteen."""

_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u02d7\u058a\u05be\u2e3a\u2e3b\ufe58\uff0d\u2e17\u2e1a\u1400"
_SPELLINGS = {
    "-": _DASHES,
    "'": "‘’‚‛′‵ʼ՚`´",
    '"': "“”„‟″‶«»‹›〝〞〟",
    ",": "،",
    ";": "，、。؛",
    "!": "¡¿؟",
    "|": "¦•‧∙・│‖",
    "/": "⁄∕",
    ":": "∶",
    "(": "「『【〔〖〘〚《〈",
    ")": "」』】〕〗〙〛》〉",
    "~": "〜〰",
    " ": "™®©℠",
    " x ": "×",
    " and ": "&",
}
_SPELLED = str.maketrans({one: to for to, ones in _SPELLINGS.items() for one in ones})

# Invisible: soft hyphen, zero widths, direction marks and isolates, variation selectors. The overrides U+202D and
# U+202E stay, because they show a number backwards.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202c\u2060-\u2064\u2066-\u2069\ufeff\ufe00-\ufe0f"
    "\U000e0100-\U000e01ef"
)
_UNSEEN = re.compile(f"[{_INVISIBLE}]+")
_UNSEEN_IN_NUMBER = re.compile(rf"(?<=\d)[{_INVISIBLE}]+(?=\d)")
_UNREADABLE = "\ufffd"

_APOSTROPHE = re.compile(r"(?<=[^\W\d_]{3})'(?=[^\W\d_])|(?<=[^\W\d_])'(?=[^\W\d_]{3})|(?<=\d)'(?=s\b)")
_QUOTED = re.compile(r"""(?<![^\s(\[:,;|/-])"([^\s"][^"]*)\"""")
_NUMERIC = frozenset(".,:/⁄·")

_SEPARATORS = frozenset("-.,:;!?|/_()[]{}=\"'·")


def normal(text: str) -> str:
    """The text in one case and one spelling, its spaces single; empty when there is nothing to compare or too much."""
    if len(text) > MAX_CHARS:
        return ""
    if text.isascii():
        plain = _unquoted(text.lower().translate(_SPELLED))
    else:
        plain = _UNSEEN.sub("", _UNSEEN_IN_NUMBER.sub(_UNREADABLE, text))
        plain = unicodedata.normalize("NFKC", _numbers_apart(plain).translate(_SPELLED))
        if len(plain) > MAX_CHARS:
            return ""
        plain = unicodedata.normalize("NFKC", plain.casefold()).translate(_SPELLED)
        plain = unicodedata.normalize("NFKC", _unquoted(plain))
        plain = "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in plain)
    return " ".join(plain.split())


def _unquoted(plain: str) -> str:
    """Without the apostrophes and pairs of quotes that are no inches or feet."""
    return _QUOTED.sub(r" \1 ", _APOSTROPHE.sub("", plain.replace("''", '"')))


def shapes(plain: str) -> str:
    """One letter for each character: ``a`` a letter, ``w`` one of a script without case, ``0`` a digit, ``m`` a mark on
    the character before, ``x`` a sign, ``!`` what no title holds; space and punctuation stay.
    """
    return plain.translate(_SHAPES)


def _shape(one: str) -> str:
    if one in _SEPARATORS:
        return "?" if one == "!" else one
    category = unicodedata.category(one)
    if category == "Nd":
        return "0"
    if category[0] == "L":
        return "w" if category == "Lo" else "a"
    if category[0] == "N":
        return "w"
    if category[0] == "M":
        return "m"
    if category[0] == "Z":
        return " "
    return "!" if category in {"Cc", "Cs"} else "x"


class _Shapes(dict[int, str]):
    """Kept for the characters of most titles, worked out for the rest, so that no text makes it grow."""

    def __missing__(self, code: int) -> str:
        return _shape(chr(code))


_SHAPES = _Shapes({code: _shape(chr(code)) for code in range(0x250)})


def _numbers_apart(text: str) -> str:
    """Spell out characters that hold digits (``½ ² ⑩ ㎡``) without letting them flow into a number beside them."""
    pieces: list[str] = []
    before = ""  # the kind of the piece before, when it was one of those
    for one in text:
        spelled, kind = one, ""
        if one > "\x7f" and not one.isdecimal() and unicodedata.decomposition(one).startswith("<"):
            plain = unicodedata.normalize("NFKC", one)
            if any(sign.isdecimal() for sign in plain):
                spelled, kind = plain, unicodedata.decomposition(one).split(">")[0]
        if (kind or before) and pieces and _meets(pieces[-1][-1]) and _meets(spelled[0]):
            script = kind in {"<super", "<sub"}
            pieces.append("" if script and kind == before else {"<super": "^", "<sub": "~"}.get(kind, " "))
        pieces.append(spelled)
        before = kind
    return "".join(pieces)


def _meets(one: str) -> bool:
    return one.isdecimal() or one in _NUMERIC
