"""Signing in and out in a browser, at an OpenID Connect issuer. Without `CHATKEEP_OIDC_ISSUER`, nothing is here."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from chatkeep import clock
from chatkeep.api.cookies import FLOW_SECONDS, MAX_SECONDS
from chatkeep.api.deps import RuntimeDep
from chatkeep.api.ways_in import BrowserSignIn, Vouched, sign_in
from chatkeep.db import Transaction
from chatkeep.errors import NotFound
from chatkeep.runs.people import TOPIC
from chatkeep.sign_in import oidc, secrets
from chatkeep.sign_in.refusals import Unauthenticated
from chatkeep.store import audit as store_audit
from chatkeep.store import sign_ins as store_sign_ins

router = APIRouter(prefix="/auth", include_in_schema=False)

_OWN_PATH = re.compile(r"/(?![/\\])[!-~]*")


async def get_browser_sign_in(request: Request) -> BrowserSignIn:
    """Return how browsers sign in.

    Raises:
        NotFound: they do not.
    """
    found: BrowserSignIn | None = request.app.state.browser_sign_in
    if found is None:
        raise NotFound("Not Found")
    return found


BrowserSignInDep = Annotated[BrowserSignIn, Depends(get_browser_sign_in)]


@router.get("/login")
async def begin(
    browser: BrowserSignInDep, return_to: Annotated[str, Query(alias="return", max_length=1000)] = "/"
) -> Response:
    """Send the browser to the issuer. It comes back to `return`, a path of this service."""
    flow = oidc.new_flow(return_to if _OWN_PATH.fullmatch(return_to) else "/")
    answer = RedirectResponse(await browser.client.login_url(flow), 303)
    browser.cookies.set(answer, browser.cookies.flow, flow.encode(), FLOW_SECONDS)
    return answer


@router.get("/callback")
async def finish(
    runtime: RuntimeDep,
    browser: BrowserSignInDep,
    request: Request,
    state: str = "",
    code: str = "",
    iss: str | None = None,
    error: str | None = None,
) -> Response:
    """Take the browser back from the issuer, signed in."""
    flow = oidc.decode_flow(browser.cookies.read(request.headers, browser.cookies.flow))
    if flow is None or error is not None or not code:
        raise Unauthenticated("the sign-in was not completed, or took too long: begin again")
    claims = await browser.client.finish(flow, state, code, iss)
    peer = request.client.host if request.client else None
    vouched = Vouched(browser.client.issuer, claims.subject, claims.name)
    user = await sign_in(runtime.db, vouched, "oidc", peer)
    cookie = secrets.new_secret()
    former = browser.cookies.read(request.headers, browser.cookies.sign_in)

    async def write(tx: Transaction) -> None:
        await store_sign_ins.delete_expired(tx)
        await store_sign_ins.end_sign_in(tx, secrets.hash_of(former))
        expires_at = clock.add_seconds(await tx.now(), MAX_SECONDS)
        await store_sign_ins.add_sign_in(tx, secrets.hash_of(cookie), user.id, expires_at)
        await store_audit.add_entry(tx, user.id, "user.signed_in", user.id, peer)

    await runtime.db.transaction(write)
    answer = RedirectResponse(flow.return_to, 303)
    browser.cookies.set(answer, browser.cookies.sign_in, cookie, MAX_SECONDS)
    browser.cookies.delete(answer, browser.cookies.flow)
    return answer


@router.post("/logout")
async def leave(runtime: RuntimeDep, browser: BrowserSignInDep, request: Request) -> Response:
    """Sign this browser out. Its streams end within a second."""
    cookie = browser.cookies.read(request.headers, browser.cookies.sign_in)
    await runtime.db.transaction(lambda tx: store_sign_ins.end_sign_in(tx, secrets.hash_of(cookie)))
    runtime.notifier.notify(TOPIC, everywhere=True)
    answer = Response(status_code=204)
    browser.cookies.delete(answer, browser.cookies.sign_in)
    return answer
