"""`python -m deploy.local up | down | demo`."""

from __future__ import annotations

import argparse
import os
import sys

from .background import down, serve, up
from .demo import demo
from .environments import SERVICES
from .errors import StartError
from .stopping import stop_on_signals

ENDED_BY_SIGNAL = 130


def main() -> int:
    arguments = _arguments()
    instances = {service: getattr(arguments, service) for service in SERVICES if hasattr(arguments, service)}
    try:
        with stop_on_signals():
            if arguments.command == "up":
                return up(instances)
            if arguments.command == "down":
                return down()
            if arguments.command == "demo":
                return demo()
            serve(instances)
    except StartError as error:
        print(f"orderbridge: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return ENDED_BY_SIGNAL
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, meaning in (
        ("up", "start the stack in the background and wait until it is ready"),
        ("serve", "what up starts: the stack in the foreground"),
    ):
        command = commands.add_parser(name, help=meaning)
        for service in SERVICES:
            command.add_argument(
                f"--{service}",
                type=_count,
                default=os.environ.get(service.upper(), "1"),
                metavar="N",
                help=f"instances of the {service} (also {service.upper()}=N)",
            )
    commands.add_parser("down", help="stop what up started")
    commands.add_parser("demo", help="play the whole road with a story (KEEP=1 leaves it up)")
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 12:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of instances from 1 to 12")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
