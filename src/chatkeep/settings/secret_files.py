"""Settings that may hold a secret, so that a file can hold it in their place: `NAME_FILE`."""

from pathlib import Path

from chatkeep.errors import CannotStart

SECRETS = (
    "OPENAI_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "CHATKEEP_DATABASE_URL",
    "CHATKEEP_MCP_SERVERS",
    "CHATKEEP_OIDC_CLIENT_SECRET",
)
"""Their names."""


def read_secret_files(texts: dict[str, str]) -> None:
    """Put the content of each file of `SECRETS` in the place of its setting. Blanks around it do not count.

    Raises:
        CannotStart: the setting is there, too, or the file cannot be read, or has nothing.
    """
    for name in SECRETS:
        path = texts.get(f"{name}_FILE")
        if path is None:
            continue
        if name in texts:
            raise CannotStart(f"{name} and {name}_FILE are set; one of them is enough")
        try:
            content = Path(path).read_text("utf-8").strip()
        except OSError as error:
            raise CannotStart(f"{name}_FILE: cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CannotStart(f"{name}_FILE: {path} is not UTF-8") from None
        if not content:
            raise CannotStart(f"{name}_FILE: {path} is empty")
        texts[name] = content
