"""Finds the owner of a request."""

# No postponed annotations: FastAPI must read the types that are made inside the function.
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from faceswap.api.senders import address_of
from faceswap.owners import Owners

Owner = Callable[..., Awaitable[str]]


def sender_finder(owners: Owners, behind_proxy: bool) -> Callable[[Request], str]:
    """Make a dependency that returns what stands for the network address of a request."""

    def sender(request: Request) -> str:
        peer = request.client.host if request.client else None
        return owners.sender(address_of(request.headers, peer, behind_proxy=behind_proxy))

    return sender


def dependencies(owners: Owners) -> tuple[Owner, Callable[[Callable[[str], str]], Owner]]:
    """Return two dependencies that find the owner of a request.

    The first finds the owner by the token. The second is made for a route with one parameter, from which
    `path_of` makes its path: it finds the owner also by a link that is signed for that path. With one user,
    both return that user without a token, and the API document shows no token.
    """
    if not owners.multi_user:

        async def local() -> str:
            return owners.owner_of(None)

        return local, lambda path_of: local
    bearer = HTTPBearer(auto_error=False, description="A token of POST /api/session.")

    async def signed_in(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
        return owners.owner_of(sent.credentials if sent else None)

    def linked_in(path_of: Callable[[str], str]) -> Owner:
        async def owner(
            request: Request,
            sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
            t: Annotated[
                str | None, Query(description="Of a signed link, where no header can be sent.")
            ] = None,
        ) -> str:
            if t is None:
                return await signed_in(sent)
            return owners.owner_of_link(path_of(*request.path_params.values()), t)

        return owner

    return signed_in, linked_in
