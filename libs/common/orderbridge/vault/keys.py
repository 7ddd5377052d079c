"""The generations of the master key (contract section 8): the first seals, all unseal, none is ever shown."""

from __future__ import annotations

import binascii
import os
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import ConfigurationError

VARIABLE = "ORDERBRIDGE_MASTER_KEY"

KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
# Shorter than a key in base64 or hex, so that what is shown as a name cannot be a key.
_KID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_MAKE_ONE = "make a key with `openssl rand -base64 32`"


class WrongKey(Exception):
    """Sealed with another key or for another owner, or changed since."""


def seal(cipher: AESGCM, plaintext: bytes, about: bytes) -> bytes:
    """Encrypt with AES-256-GCM; the random nonce goes first. ``about`` is authenticated, not stored."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, about)


def unseal(cipher: AESGCM, sealed: bytes, about: bytes) -> bytes:
    """Undo ``seal``; raises ``WrongKey`` when a bit of it, of the key or of ``about`` is another."""
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise WrongKey
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
    except InvalidTag:
        raise WrongKey from None


class MasterKeys:
    """The keys by generation (``kid``), the newest first; the raw keys are not kept."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("a vault needs a master key")
        self._ciphers = {kid: AESGCM(key) for kid, key in keys.items()}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``<kid>:<base64 of 32 bytes>[,<kid>:…]``; raises ``ConfigurationError`` without showing a key."""
        if not text.strip():
            raise ConfigurationError(f"{VARIABLE} is empty: write <kid>:<base64 of 32 bytes>; {_MAKE_ONE}")
        keys: dict[str, bytes] = {}
        for position, entry in enumerate(text.split(","), start=1):
            kid, key = _entry(entry.strip(), position)
            if kid in keys:
                raise ConfigurationError(f"{VARIABLE} names generation {kid} twice: give each key its own name")
            if key in keys.values():
                raise ConfigurationError(f"{VARIABLE} gives the key of generation {kid} twice: {_MAKE_ONE}")
            keys[kid] = key
        return cls(keys)

    @property
    def newest(self) -> str:
        """The generation that seals."""
        return next(iter(self._ciphers))

    def __contains__(self, kid: object) -> bool:
        return kid in self._ciphers

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(self._ciphers)})"

    def __reduce__(self) -> str:
        raise TypeError("master keys are not to be pickled or copied")

    def seal(self, plaintext: bytes, about: bytes) -> tuple[str, bytes]:
        """Seal with the newest generation; returns its name too."""
        kid = self.newest
        return kid, seal(self._ciphers[kid], plaintext, _bound(kid, about))

    def unseal(self, kid: str, sealed: bytes, about: bytes) -> bytes:
        """Raises ``ConfigurationError`` for a generation not given, ``WrongKey`` when it cannot be unsealed."""
        cipher = self._ciphers.get(kid)
        if cipher is None:
            raise generation_missing(kid)
        return unseal(cipher, sealed, _bound(kid, about))


def generation_missing(kid: str) -> ConfigurationError:
    return ConfigurationError(
        f"{VARIABLE} lacks generation {kid}, with which rows of the vault are sealed: "
        f"add {kid}:<its key> behind the first, or rewrap with it before taking it out"
    )


def generation_wrong(kid: str) -> ConfigurationError:
    return ConfigurationError(
        f"{VARIABLE} has another key as generation {kid} than the vault was sealed with: "
        "restore the key of that name, or give the new key a new name"
    )


def _bound(kid: str, about: bytes) -> bytes:
    return kid.encode() + b":" + about


def _entry(entry: str, position: int) -> tuple[str, bytes]:
    kid, colon, encoded = entry.partition(":")
    if not colon or not _KID.fullmatch(kid):
        # Not shown: where the name should stand there may be the key.
        raise ConfigurationError(
            f"{VARIABLE}: entry {position} is not <kid>:<base64 of 32 bytes>: "
            "begin it with a name of 1 to 32 letters, digits, '.', '_' or '-', and a colon"
        )
    try:
        key = b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"{VARIABLE}: the key of generation {kid} is not base64: {_MAKE_ONE}") from None
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"{VARIABLE}: the key of generation {kid} has {len(key)} bytes, not {KEY_BYTES}: {_MAKE_ONE}"
        )
    return kid, key
