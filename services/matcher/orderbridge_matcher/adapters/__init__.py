"""The matcher's tables, and Shopify as the matcher needs it."""
