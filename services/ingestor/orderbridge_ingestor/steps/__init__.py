"""The ingestor's one step, a poll, and what may happen to its orders beside it."""
