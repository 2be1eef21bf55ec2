"""Who is calling: the bearer token of a request, checked against the roles a route admits."""

from typing import Annotated

from fastapi import Depends, Request

from voicegateway_controller.access.rules import OPERATORS, READERS, WORKERS, Access, Role
from voicegateway_controller.errors import Forbidden, Unauthenticated
from voicegateway_controller.resources import Resources


async def admit(request: Request, roles: frozenset[Role]) -> Access:
    """Return what the caller may do; Unauthenticated or Forbidden otherwise. There is no anonymous access."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("a token is needed: send `Authorization: Bearer vgw_<id>_<secret>`")
    resources: Resources = request.app.state.resources
    access = await resources.tokens.verify(token.strip())
    if access.role not in roles:
        needed = ", ".join(sorted(role.value for role in roles))
        raise Forbidden(f"the token's role is {access.role.value}; this needs one of: {needed}")
    return access


async def reader(request: Request) -> Access:
    """Admit those who may read reports."""
    return await admit(request, READERS)


async def operator(request: Request) -> Access:
    """Admit those who may change what runs."""
    return await admit(request, OPERATORS)


async def worker(request: Request) -> Access:
    """Admit workers."""
    return await admit(request, WORKERS)


Reader = Annotated[Access, Depends(reader)]
Operator = Annotated[Access, Depends(operator)]
Worker = Annotated[Access, Depends(worker)]
