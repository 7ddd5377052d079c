"""Applications, the authorisations that sellers gave them, and the access tokens handed out for those."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from .problems import (
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOKEN_MISSING,
    access_denied,
    invalid_client,
    invalid_grant,
    unsupported_grant_type,
)

TOKEN_LIFE: Final = timedelta(seconds=3600)


@dataclass
class Grant:
    """One seller's authorisation of one application; the refresh token names it."""

    seller_id: str
    client_id: str
    refresh_token: str = field(repr=False)
    marketplace_ids: tuple[str, ...] = ()
    revoked: bool = False
    sees_recipients: bool = True
    """Whether the application had the role for direct-to-consumer shipping when the seller authorised it."""


@dataclass(frozen=True)
class _AccessToken:
    grant: Grant
    expires_at: datetime


class Accounts:
    """Who may ask for which seller's orders."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}
        self._grants: dict[str, Grant] = {}
        self._tokens: dict[str, _AccessToken] = {}

    def authorise(self, grant: Grant, client_secret: str) -> None:
        """Add or replace an authorisation; another secret for a known application rotates it for all its sellers."""
        self._secrets[grant.client_id] = client_secret
        self._grants[grant.refresh_token] = grant

    def grant(self, refresh_token: str) -> Grant | None:
        return self._grants.get(refresh_token)

    def sellers(self) -> set[str]:
        return {grant.seller_id for grant in self._grants.values()}

    def issue(self, form: Mapping[str, str], now: datetime) -> dict[str, object]:
        """Exchange a refresh token for an access token; only the refresh-token grant is known here."""
        if form.get("grant_type") != "refresh_token":
            raise unsupported_grant_type()
        client_id = form.get("client_id", "")
        if client_id not in self._secrets or self._secrets[client_id] != form.get("client_secret"):
            raise invalid_client()
        grant = self._grants.get(form.get("refresh_token", ""))
        if grant is None or grant.revoked or grant.client_id != client_id:
            raise invalid_grant()
        token = f"Atza|{secrets.token_urlsafe(48)}"
        self._forget_expired(now)
        self._tokens[token] = _AccessToken(grant, now + TOKEN_LIFE)
        return {
            "access_token": token,
            "refresh_token": grant.refresh_token,
            "token_type": "bearer",
            "expires_in": int(TOKEN_LIFE.total_seconds()),
        }

    def holder(self, access_token: str | None) -> str | None:
        """The seller an access token was made for, whether or not it is still good."""
        token = self._tokens.get(access_token or "")
        return None if token is None else token.grant.seller_id

    def admit(self, access_token: str | None, now: datetime) -> Grant:
        """The authorisation behind an access token, or the 403 that says what is wrong with it."""
        if not access_token:
            raise access_denied(TOKEN_MISSING)
        token = self._tokens.get(access_token)
        if token is None or token.grant.revoked:
            raise access_denied(TOKEN_INVALID)
        if now >= token.expires_at:
            raise access_denied(TOKEN_EXPIRED)
        return token.grant

    def _forget_expired(self, now: datetime) -> None:
        """Drop tokens that expired a day ago; fresher ones must still be answered with *expired*."""
        limit = now - timedelta(days=1)
        self._tokens = {text: token for text, token in self._tokens.items() if token.expires_at > limit}
