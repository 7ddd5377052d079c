"""``python -m orderbridge_matcher run | migrate | check | republish``."""

from orderbridge.process import command_line

from .app import READS, WRITES, republish, run
from .migrations import MIGRATIONS
from .settings import Settings


def main() -> None:
    command_line("matcher", Settings, MIGRATIONS, run, (*READS, *WRITES), republish)


if __name__ == "__main__":
    main()
