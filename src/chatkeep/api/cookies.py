"""The cookies of signed-in browsers.

`__Host-` makes a browser take the cookie from this host alone, over https, and send it back to no other (RFC 6265bis
§4.1.3). Such a cookie is for all paths; below a path of its own (`CHATKEEP_PUBLIC_URL`) it is `__Secure-`, for that
path. Browsers take `http://localhost` for safe, too.
"""

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

IDLE_SECONDS = 43_200
"""How long a browser may be away before it has to sign in again."""
MAX_SECONDS = 2_592_000
"""How long a browser is signed in at most."""
FLOW_SECONDS = 600
"""How long a sign-in may take."""


class Cookies:
    """The two cookies of a service: `sign_in`, and `flow` while a sign-in is under way."""

    def __init__(self, public_path: str) -> None:
        """`public_path` has no `/` at its end."""
        self._path = public_path or "/"
        prefix = "__Secure-" if public_path else "__Host-"
        self.sign_in, self.flow = f"{prefix}chatkeep", f"{prefix}chatkeep-flow"

    def read(self, headers: Headers, name: str) -> str:
        """Return a cookie of a request; empty if it has none of that name."""
        return cookie_parser("; ".join(headers.getlist("cookie"))).get(name, "")

    def set(self, answer: Response, name: str, value: str, seconds: int) -> None:
        """Have the browser keep a cookie for so long. No script can read it, and no form of another site sends it."""
        answer.set_cookie(name, value, seconds, path=self._path, secure=True, httponly=True, samesite="lax")

    def delete(self, answer: Response, name: str) -> None:
        """Have the browser forget a cookie."""
        answer.delete_cookie(name, path=self._path, secure=True, httponly=True, samesite="lax")
