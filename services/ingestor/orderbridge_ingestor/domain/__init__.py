"""The rules of importing: what becomes of an order, which of its versions counts, and which window is asked for."""
