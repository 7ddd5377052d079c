"""Why a command led to nothing: code, one plain sentence, details (contract section 4)."""

from __future__ import annotations

from orderbridge.errors import Blocked
from orderbridge.events import Reason
from orderbridge.status import MESSAGES

NOT_APPLICABLE = Reason(code="not_applicable", message="There is nothing to do for this order.")
CONNECTION_REMOVED = Reason(code="connection_removed", message=MESSAGES["connection_removed"])
MESSAGE_PARKED = Reason(code="message_parked", message=MESSAGES["message_parked"])


def of_disposition(code: str | None) -> Reason:
    """Of an order that is not to be created now; ``code`` is its disposition's."""
    return Reason(code=code, message=MESSAGES.get(code, NOT_APPLICABLE.message)) if code else NOT_APPLICABLE


def of_connection(why: Blocked) -> Reason:
    code = "connection_unauthorized" if why.state == "unauthorized" else "connection_misconfigured"
    return Reason(
        code=code,
        message=f"The connection to Shopify does not work: {str(why).rstrip('.')}.",
        details={"missing": list(why.missing)} if why.missing else {},
    )
