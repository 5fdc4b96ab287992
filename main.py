"""`uvicorn main:app --reload`: the service, with the settings of the environment and `.env`."""

from chatkeep.api.app import create_app

app = create_app()
