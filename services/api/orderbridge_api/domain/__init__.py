"""What the api decides: what an order shows, what may be done with it. Pure: no I/O, no clock."""
