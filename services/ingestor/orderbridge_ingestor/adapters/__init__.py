"""The ingestor's tables, and Amazon as the ingestor needs it."""
