"""``python -m orderbridge_standins amazon|shopify --port N``: one vendor's stand-in as a server."""

import argparse
import sys
from collections.abc import Sequence

from .serving import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the stand-in of the vendor that is named; 2 when the address is taken."""
    parser = argparse.ArgumentParser(prog="orderbridge_standins", description=__doc__)
    parser.add_argument("vendor", choices=("amazon", "shopify"))
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args(arguments)
    if options.vendor == "amazon":
        from . import amazon

        return serve(amazon.create_app(), "amazon", options.host, options.port, server_date=False)
    from . import shopify

    return serve(shopify.create_app(), "shopify", options.host, options.port, server_date=True)


if __name__ == "__main__":
    sys.exit(main())
