"""A file as an answer, or 404 where it has gone since it was looked for."""

from fastapi import HTTPException
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send


class KeptFile(FileResponse):
    """Whoever makes one has seen the file; `missing` is what is said when it went meanwhile."""

    missing = "there is no such picture"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises HTTPException, before anything is sent."""
        try:
            await super().__call__(scope, receive, send)
        except RuntimeError as error:  # starlette's word for it: a deleted file has no headers
            if "content-length" in self.headers:
                raise  # it was there: something else
            raise HTTPException(404, self.missing) from error
