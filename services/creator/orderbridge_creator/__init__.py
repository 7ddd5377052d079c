"""The creator: reserves stock and creates the Shopify order, exactly once."""
