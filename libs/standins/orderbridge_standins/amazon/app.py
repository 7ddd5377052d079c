"""The application: Amazon's addresses, the control door, and one clock over both."""

from fastapi import FastAPI

from .control import control_routes
from .vendor import vendor_routes
from .wire import DateHeader
from .world import World


def create_app(world: World | None = None) -> FastAPI:
    """An ASGI application with its own state; ``app.state.world`` is that state, for tests in the same process."""
    world = world or World()
    app = FastAPI(title="Amazon stand-in", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.world = world
    app.include_router(control_routes(world))
    app.include_router(vendor_routes(world))
    app.add_middleware(DateHeader, clock=world.clock)
    return app
