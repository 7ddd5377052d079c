"""``python -m orderbridge_api run | migrate | check | republish``."""

from orderbridge.process import command_line

from .app import TOPICS, republish, run
from .migrations import MIGRATIONS
from .settings import Settings

if __name__ == "__main__":
    command_line("api", Settings, MIGRATIONS, run, TOPICS, republish)
