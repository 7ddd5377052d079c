"""JSON logs and metrics. No line and no label carries personal data, a secret, or a message's body."""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import Counter, Gauge, Histogram

MESSAGES_TAKEN = Counter("orderbridge_messages_taken_total", "Messages taken from Kafka", ["service", "topic"])
OUTBOX_PUBLISHED = Counter("orderbridge_outbox_published_total", "Outbox rows published to Kafka", ["service"])
DUE_WORK = Counter("orderbridge_due_work_total", "Due work by how a run of it ended", ["service", "kind", "outcome"])
OUTBOX_ROWS = Gauge("orderbridge_outbox_rows", "Outbox rows not published yet", ["service"])
DUE_ROWS = Gauge("orderbridge_due_rows", "Due rows by kind", ["service", "kind"])
PARKED_ROWS = Gauge("orderbridge_parked_messages", "Parked messages that are open", ["service"])
CONSUMER_LAG = Gauge("orderbridge_consumer_lag_records", "Records not received yet", ["service"])
VENDOR_CALLS = Counter(
    "orderbridge_vendor_calls_total", "Calls to Amazon and Shopify", ["vendor", "operation", "outcome"]
)
VENDOR_SECONDS = Histogram(
    "orderbridge_vendor_call_seconds", "How long a call to a vendor took", ["vendor", "operation"]
)


def configure_logging(service: str, level: str) -> None:
    """One JSON object a line on standard output, ours and the libraries' alike."""
    numeric = getattr(logging, level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    # Libraries speak up from warning on: at lower levels some of them print addresses and headers.
    logging.basicConfig(handlers=[handler], level=max(numeric, logging.WARNING), force=True)
