"""The api's SQL."""
