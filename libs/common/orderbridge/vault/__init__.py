"""What must not be readable anywhere else: personal data, secrets of connections, bodies of parked messages."""

from ..postgres import Migrations
from .grants import GRANTS
from .keys import MasterKeys
from .store import TABLES, Table, Vault, VaultTampered

MIGRATIONS = Migrations("vault", "orderbridge.vault.migrations")

__all__ = ["GRANTS", "MIGRATIONS", "TABLES", "MasterKeys", "Table", "Vault", "VaultTampered"]
