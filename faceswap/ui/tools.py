"""Four named tools for scripts (`gradio_client`) and agents (MCP), over the same service as the pages.

They are the app's only public endpoints: every event of the pages is private. Their docstrings are what
clients and agents are shown, one line for each parameter.
"""

# No postponed annotations: Gradio derives the schemas from the types themselves.
import logging
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Literal, TypedDict, cast

import gradio as gr
from pydantic import ValidationError

from faceswap.errors import FaceSwapError, InvalidRequest, McpMissing, UploadNotFound
from faceswap.jobs import Job, JobType, SwapOptions, isoformat
from faceswap.settings import Settings
from faceswap.store import Upload
from faceswap.ui.arrival import arrived
from faceswap.ui.site import Site

log = logging.getLogger(__name__)

LISTED = 50
_BEARER = "bearer "


class Task(TypedDict):
    id: str
    status: Literal["pending", "processing", "completed", "failed"]
    progress: float
    """Percent."""
    stage: str
    eta_s: float | None
    position: int | None
    """1 = next in the queue."""
    title: str
    created_at: str
    error_code: str | None
    error_message: str | None
    result_url: str | None
    """Path on this server, ready to be fetched, of a completed task."""


class Tools:
    def __init__(self, site: Site) -> None:
        self._site = site

    def submit(
        self,
        source: str,
        target: str,
        consent: bool,
        request: gr.Request,
        many_faces: bool = False,
        quality_percent: int = 80,
        token: str = "",
    ) -> Task:
        """Queue a face swap and return at once with the new task; follow it with `status`.

        Args:
            source: fileId of the picture of the face to put in, from POST /api/upload (multipart field `file`). In gradio_client also handle_file(path).
            target: fileId of the picture or video that the face goes into, got in the same way.
            consent: true states that everyone shown in both files agreed to this swap. Ask the user; never assume it.
            many_faces: swap every face of the target, not only the largest.
            quality_percent: 1 (smallest file) to 100 (best).
            token: who you are, from POST /api/session, on a server for several users; or send it as `Authorization: Bearer`.

        Returns:
            the task
        """  # noqa: E501 - Gradio reads one line for each parameter
        with _InWords():
            owner = self._owner(token, request)
            try:
                sender = self._site.sender_of(request)
                face, into = self._file(source, owner, sender), self._file(target, owner, sender)
            finally:
                _remove(source, target)
            kind = JobType.SINGLE_VIDEO if into.kind == "video" else JobType.SINGLE_IMAGE
            options = _options(many_faces, quality_percent)
            job = self._site.service.submit(
                kind, face, into, consent=consent is True, options=options, owner=owner, sender=sender
            )
            return self._task(job, owner)

    def status(self, job_id: str, request: gr.Request, token: str = "") -> Task:
        """One of your tasks as it is now.

        Args:
            job_id: the id of the task, from `submit` or `list`.
            token: as for `submit`.

        Returns:
            the task
        """
        with _InWords():
            owner = self._owner(token, request)
            return self._task(self._site.service.get(str(job_id), owner=owner), owner)

    def cancel(self, job_id: str, request: gr.Request, token: str = "") -> Task:
        """Cancel one of your waiting or running tasks, wherever it runs. One that is over stays as it is.

        Args:
            job_id: the id of the task, from `submit` or `list`.
            token: as for `submit`.

        Returns:
            the task, failed with error_code `cancelled`
        """
        with _InWords():
            owner = self._owner(token, request)
            return self._task(self._site.service.cancel(str(job_id), owner=owner), owner)

    def list(self, request: gr.Request, live: bool = False, token: str = "") -> list[Task]:
        """Your tasks, newest first, at most 50.

        Args:
            live: only those that wait or run.
            token: as for `submit`.

        Returns:
            the tasks
        """
        with _InWords():
            owner = self._owner(token, request)
            service = self._site.service
            jobs = service.active(owner=owner)[::-1] if live else service.history(limit=LISTED, owner=owner)
            return [self._task(job, owner) for job in jobs[:LISTED]]

    def _owner(self, token: object, request: gr.Request) -> str:
        headers = cast("dict[str, str]", cast(Any, request).headers)
        sent = headers.get("authorization", "")
        in_header = sent[len(_BEARER) :].strip() if sent.lower().startswith(_BEARER) else ""
        return self._site.owner_of(token or in_header)

    def _file(self, given: object, owner: str, sender: str) -> Upload:
        """An upload by its id, or what `handle_file` of gradio_client sent to Gradio's folder."""
        service = self._site.service
        if isinstance(given, str):
            return service.find_upload(given, owner=owner)
        path, name = arrived(given)
        try:
            return service.upload(path, name, owner=owner, sender=sender)
        except FileNotFoundError as error:  # somebody sent the same file at the same moment
            raise UploadNotFound() from error

    def _task(self, job: Job, owner: str) -> Task:
        return Task(
            id=job.id,
            status=job.status.value,
            progress=round(job.progress, 1),
            stage=job.stage.value,
            eta_s=None if job.eta_s is None else round(job.eta_s, 1),
            position=job.position,
            title=job.title,
            created_at=isoformat(job.created_at) or "",
            error_code=job.error_code,
            error_message=job.error_message,
            result_url=self._site.owners.signed_url(job.result_url, owner) if job.result_url else None,
        )


def offer_tools(site: Site) -> None:
    """Call it inside the app's `gr.Blocks`."""
    tools = Tools(site)
    each: tuple[Callable[..., Any], ...] = (tools.submit, tools.status, tools.cancel, tools.list)
    for tool in each:
        cast(Any, gr).api(tool, api_name=tool.__name__, queue=False)


def require_mcp(settings: Settings) -> bool:
    """Whether the tools are offered over MCP too. Raises: McpMissing: they should be, and cannot."""
    if settings.mcp and find_spec("mcp") is None:
        raise McpMissing()
    return settings.mcp


def _options(many_faces: object, quality_percent: object) -> SwapOptions:
    try:
        return SwapOptions.model_validate({"many_faces": many_faces, "quality_percent": quality_percent})
    except ValidationError as error:
        raise InvalidRequest(reason="quality_percent is 1 to 100, many_faces true or false") from error


def _remove(*sent: object) -> None:
    """What was sent to Gradio's folder has been taken in: no copy stays there."""
    for given in sent:
        if isinstance(given, dict):
            with suppress(UploadNotFound):
                arrived(cast("dict[str, object]", given))[0].unlink(missing_ok=True)


class _InWords:
    """The one place where the tools turn errors into what a client is told."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, FaceSwapError):
            raise gr.Error(str(error), print_exception=False) from error
        if isinstance(error, Exception):
            log.error("a tool failed", exc_info=error)
            raise gr.Error(str(FaceSwapError()), print_exception=False) from error
