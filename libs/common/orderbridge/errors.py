"""The tree of our errors. A reader picks the breadth: ours, transient, blocked, permanent, or a leaf."""

from __future__ import annotations


class OrderBridgeError(Exception):
    """Every error that we raise on purpose."""


class ConfigurationError(OrderBridgeError):
    """The service cannot start as it is set up: one line that names the mistake and the remedy; exit code 2."""


class Transient(OrderBridgeError):
    """It may work later: wait and try again, for ever."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(Transient):
    """A vendor cannot be reached, or answered with trouble of its own; nothing is known of an effect."""


class Throttled(Transient):
    """A vendor, or our own budget for it, asks us to wait ``retry_after_s`` seconds."""


class OutcomeUnknown(Transient):
    """A write was, or may have been, sent and its answer never came: it may have taken effect, or still may."""


class Blocked(OrderBridgeError):
    """A connection cannot work until somebody mends it.

    ``state`` is ``unauthorized`` or ``misconfigured``; ``missing`` names what is missing, in words for a person.
    """

    def __init__(self, state: str, message: str, *, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.state = state
        self.missing = missing


class Permanent(OrderBridgeError):
    """It will not work however often it is tried: a message that cannot be read, a value that is refused."""


class Unreadable(Permanent):
    """A message that does not say what its contract promises."""


class Refused(Permanent):
    """A vendor refused a request for what it says.

    ``problems`` are the vendor's words, ``(code, field, message)`` each, without our values.
    """

    def __init__(self, message: str, problems: tuple[tuple[str, str, str], ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class SessionLost(OrderBridgeError):
    """The database session that holds our locks is gone: nothing we hold is ours any more; end at once."""
