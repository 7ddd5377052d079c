"""The rules of creating: what an order's newest facts ask for, and the named phases of one Shopify write."""
