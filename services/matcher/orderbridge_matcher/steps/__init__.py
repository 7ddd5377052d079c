"""What the matcher does with a message, with a piece of due work, and with a connection that stops working."""
