"""The matcher's rules."""
