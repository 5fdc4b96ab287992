"""chatkeep: a self-hosted chat service. `docs/architecture.md` is the one-page tour."""

__version__ = "0.1.0"
