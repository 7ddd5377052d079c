"""The local runner: PostgreSQL, Kafka, the stand-ins and the services on one machine, and nothing of it afterwards."""
