"""The creator's tables, and Shopify as the creator needs it."""
