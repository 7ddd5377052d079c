"""Amazon's Selling Partner API as a merchant's importer sees it: tokens, ``searchOrders`` and ``getOrder``.

Source: Amazon's model ``orders_2026-01-01`` and recorded traffic; nothing here is shared with the importer.
"""

from .app import create_app

__all__ = ["create_app"]
