"""How every service works: messages in, one transaction, events out; and due rows for what needs a vendor.

PostgreSQL is the truth, Kafka is transport (design section 4). The runtime owns the transaction, the inbox, the
outbox and the offsets; a service gives it one function per kind of event and one per kind of due work.
"""

from .connections import ConnectionEvent, Connections, drop_work, removed, take_connections
from .due import DueWorkers
from .health import Health
from .republish import republish_facts
from .runtime import Handler, Runtime
from .tables import create_step_tables
from .unit import Store, Unit, Work

__all__ = [
    "ConnectionEvent",
    "Connections",
    "DueWorkers",
    "Handler",
    "Health",
    "Runtime",
    "Store",
    "Unit",
    "Work",
    "create_step_tables",
    "drop_work",
    "removed",
    "republish_facts",
    "take_connections",
]
