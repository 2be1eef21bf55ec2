"""Who is calling: the token of a request, or the cookie of a sign-in, checked against the roles a route admits."""

from typing import Annotated

from fastapi import Depends, Request

from voicegateway_controller import metrics
from voicegateway_controller.access import cookies
from voicegateway_controller.access.errors import UnknownToken
from voicegateway_controller.access.rules import (
    ADMINS,
    EVERYBODY,
    OPERATORS,
    READERS,
    WORKERS,
    Access,
    Role,
    parse_sign_in,
    parse_token,
    require_all_projects,
)
from voicegateway_controller.errors import Forbidden, Unauthenticated
from voicegateway_controller.http.owned import resources_of


async def admit(request: Request, roles: frozenset[Role]) -> Access:
    """Return what the caller may do; Unauthenticated or Forbidden otherwise. There is no anonymous access.

    Routes of workers take no cookies: no page has anything to deliver there.
    """
    access = await identify(request, takes_cookies=roles is not WORKERS)
    if access.role not in roles:
        metrics.ACCESS_REFUSED.labels("role").inc()
        needed = ", ".join(sorted(role.value for role in roles))
        raise Forbidden(f"the token's role is {access.role.value}; this needs one of: {needed}")
    return access


async def identify(request: Request, *, takes_cookies: bool = True) -> Access:
    """Return who is calling, whatever their role. A token that came along counts, and no cookie beside it.

    Raises Unauthenticated, TooManyGuesses, or CrossSite for a change with a cookie that no page of ours asked for.
    """
    resources = resources_of(request)
    if "authorization" in request.headers:
        scheme, _, token = request.headers["authorization"].partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("a token is needed: send `Authorization: Bearer vgw_<id>_<secret>`")
        return await verify_token(request, token.strip())
    public_url = resources.settings.public_url
    cookie = cookies.session_of(request, public_url) if takes_cookies else None
    if cookie is None:
        raise Unauthenticated("a token is needed: send `Authorization: Bearer vgw_<id>_<secret>`")
    # As with tokens: who was signed in lately is not made to wait for a neighbour who guesses.
    if not resources.sign_ins.knows(cookie):
        resources.guesses.refuse_held(address_of(request))
    try:
        access = await resources.sign_ins.verify(cookie)
    except UnknownToken:
        await resources.guesses.note(address_of(request), cookie, token_id="")
        raise
    parsed = parse_sign_in(cookie)
    cookies.refuse_cross_site(request, "" if parsed is None else parsed.secret, public_url)
    return access


async def verify_token(request: Request, token: str) -> Access:
    """Return what a token allows that came with a request. Raises Unauthenticated, or TooManyGuesses for guesses."""
    resources = resources_of(request)
    # Whoever shares an address with one who guesses goes on with a token that was good lately.
    if not resources.tokens.knows(token):
        resources.guesses.refuse_held(address_of(request))
    try:
        return await resources.tokens.verify(token)
    except UnknownToken:
        parsed = parse_token(token)
        await resources.guesses.note(address_of(request), token, token_id="" if parsed is None else parsed.id)
        raise


def address_of(request: Request) -> str:
    """Return the address that a request came from, as the server saw it or a proxy that it trusts said."""
    return "" if request.client is None else request.client.host


async def reader(request: Request) -> Access:
    """Admit those who may read reports."""
    return await admit(request, READERS)


async def operator(request: Request) -> Access:
    """Admit those who may change what runs."""
    return await admit(request, OPERATORS)


async def admin(request: Request) -> Access:
    """Admit those who may see and change everything: secrets, tokens, the audit log."""
    access = await admit(request, ADMINS)
    require_all_projects(access, "this concerns the whole installation")
    return access


async def anybody(request: Request) -> Access:
    """Admit whoever is known, workers too: for what they may know of themselves."""
    return await admit(request, EVERYBODY)


async def worker(request: Request) -> Access:
    """Admit workers."""
    return await admit(request, WORKERS)


Reader = Annotated[Access, Depends(reader)]
Operator = Annotated[Access, Depends(operator)]
Admin = Annotated[Access, Depends(admin)]
Anybody = Annotated[Access, Depends(anybody)]
Worker = Annotated[Access, Depends(worker)]
