"""The application for `uvicorn main:app --reload`, with the settings of the environment and `.env`."""

from chatkeep.api.app import create_app
from chatkeep.errors import CannotStart

try:
    app = create_app()
except CannotStart as error:
    raise SystemExit(f"chatkeep: {error}") from None
