"""Kafka, at least once: the only place that knows aiokafka, with the settings that neither lose nor reorder.

Records carry CloudEvents 1.0 headers in Kafka's binary mode (contract section 2). The topic prefix is added and
taken off here; everybody else speaks of topics as the contract names them.
"""

from .consuming import Consumer, open_consumer
from .producing import Producer, open_producer, partition_of
from .records import Outgoing, Received, headers_of
from .topics import check_extension, check_topics, create_topics, topics_command

__all__ = [
    "Consumer",
    "Outgoing",
    "Producer",
    "Received",
    "check_extension",
    "check_topics",
    "create_topics",
    "headers_of",
    "open_consumer",
    "open_producer",
    "partition_of",
    "topics_command",
]
