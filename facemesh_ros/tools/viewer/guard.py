"""Who may have the page: those on this machine, or those who bring the token; and no page of anybody else's."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""What this machine is called in the Host header of a browser that runs on it, or has a tunnel to it."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
        "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer. Plotly writes style elements, hence 'unsafe-inline' for styles; scripts are ours and Plotly's."""


def is_loopback(host: str) -> bool:
    """Say whether nobody but this machine reaches a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Guard:
    """The rule for one server."""

    token: str | None
    """None where the server listens to this machine alone."""

    @classmethod
    def of(cls, host: str) -> Guard:
        """Return the rule for an address to listen on: a new token, unless nobody else can reach it."""
        return cls(None if is_loopback(host) else secrets.token_urlsafe(24))

    def refusal(self, host: str, offered: list[str]) -> str | None:
        """Say why a request is refused; None lets it in.

        Without a token the Host must name this machine: otherwise a web site could point a name of its own at
        127.0.0.1 and read the page as its own (DNS rebinding).

        Args:
            host: the request's Host header.
            offered: tokens that it brings.
        """
        if self.token is None:
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
            is_own = name.lower() in LOOPBACK_NAMES or is_loopback(name.strip("[]").lower())
            return None if is_own else f"this is not {host[:80]}: open the address as printed"
        if any(self._is_token(token) for token in offered):
            return None
        return "open the whole URL that `facemesh view` printed: it carries a token, which changes at every start"

    def _is_token(self, offered: str) -> bool:
        """Compare in a time that does not tell how much of it was right."""
        assert self.token is not None
        return hmac.compare_digest(offered.encode("utf-8", "replace"), self.token.encode())


def is_own_origin(headers: Mapping[str, str]) -> bool:
    """Say whether a WebSocket was opened by our own page: a browser lets every page open one, but says which it was."""
    scheme, _, place = headers.get("Origin", "").partition("://")
    return scheme in ("http", "https") and place != "" and place.lower() == headers.get("Host", "").lower()
