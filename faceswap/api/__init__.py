"""The HTTP API: thin routes that call the service. Every answer has the same envelope.

Import only `router` from here. `answers` turns errors into HTTP codes, and `schemas` defines the shapes.
"""

import base64
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match

from faceswap.api import docs_page, original
from faceswap.api.access import dependencies, sender_finder
from faceswap.api.answers import EnvelopeRoute, success
from faceswap.api.batches import add_batch_routes
from faceswap.api.documents import BYTES, described, failures, links, multipart
from faceswap.api.files import (
    PictureOf,
    download_path,
    picture_of_job,
    pictures_path,
    stored_file,
    thumbnail,
    thumbnail_path,
)
from faceswap.api.receiving import announced_bytes, received_form
from faceswap.api.schemas import (
    CancelView,
    DetectRequest,
    FacesView,
    FileId,
    HealthView,
    JobId,
    JobView,
    MessageView,
    MoveRequest,
    PictureSwapView,
    PreviewRequest,
    PreviewView,
    ProcessRequest,
    ProcessType,
    ProcessView,
    QueueStopView,
    ReceiptView,
    RevokedView,
    Scope,
    SessionView,
    Success,
    TitleRequest,
    UploadView,
)
from faceswap.api.tasks import TaskAnswers, shown_job
from faceswap.errors import (
    ConsentRequired,
    InvalidRequest,
    NotFound,
)
from faceswap.jobs import Job, JobType
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.store import Upload
from faceswap.uploads import DetectedFace, most_callers

__all__ = ["router"]

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
CONSENT_HEADER = "X-FaceSwap-Consent"


def router(service: Service, owners: Owners) -> APIRouter:
    """Make a router with all /api routes."""
    api = APIRouter(prefix="/api", route_class=EnvelopeRoute, generate_unique_id_function=_name)
    signed_in, linked_in = dependencies(owners)
    sender_of = sender_finder(owners, service.settings.behind_proxy)
    closed: dict[int | str, dict[str, Any]] = failures(401) if owners.multi_user else {}

    answers = TaskAnswers(service, owners)
    engine_slots = CapacityLimiter(most_callers(service.settings))
    """Requests that wait for the engine use these slots, so that they do not block the threads for the other
    routes."""
    gate_slots = engine_slots if service.settings.content_gate else None
    """A content gate takes seconds for each file, so it must not block the threads for the other routes."""

    @api.post("/session", response_model=Success[SessionView], summary="A token for a new owner")
    async def session() -> Response:
        return success({"token": owners.new_token()})

    @api.get(
        "/health",
        response_model=Success[HealthView],
        responses=failures(503),
        summary="Store, dispatcher, backends and queue",
    )
    def health() -> Response:
        return success(service.health())

    @api.post(
        "/upload",
        response_model=Success[UploadView],
        responses=closed | failures(400, 413, 415, 429, 503, 507) | links("fileId", "download"),
        summary="Take a picture or video in",
        openapi_extra=multipart("file", expected="`video` takes an animation as a video; also `image`."),
    )
    async def upload(request: Request, owner: str = Depends(signed_in)) -> Response:
        """Judged by its content, not by its name. Pictures are kept upright and without metadata.

        An animated GIF, WebP or PNG is a picture, unless `expected` says `video`. A file of another kind than
        the expected one is refused.
        """
        sender = sender_of(request)
        await to_thread.run_sync(service.require_upload_room, owner, sender, announced_bytes(request))
        async with received_form(request, ["file"], service.settings.max_upload_mb) as form:
            received = form.files["file"]
            take = partial(
                service.upload,
                received.file,
                received.name,
                expected=_expected(form.fields.get("expected")),
                owner=owner,
                sender=sender,
            )
            taken = await to_thread.run_sync(take, limiter=engine_slots)
        return success(
            {
                "fileId": taken.id,
                "fileName": taken.name,
                "url": owners.signed_url(download_path(taken.id), owner),
                "size": taken.size_bytes,
                "type": taken.media_type,
                "notes": list(taken.notes),
            }
        )

    @api.post(
        "/process/{type}",
        response_model=Success[ProcessView],
        responses=closed
        | failures(400, 402, 403, 404, 413, 429, 503, 507)
        | links("jobId", "status", "cancel", "download", "receipt", "revoke", "delete"),
        summary="Queue a swap",
    )
    async def process(
        type: Annotated[ProcessType, Path(description="`video` is another name of `single-video`.")],
        body: ProcessRequest,
        request: Request,
        owner: str = Depends(signed_in),
    ) -> Response:
        """Answers at once; follow the task with /api/status or /api/tasks.

        Consent is demanded: `consent: true` in the body or in `options`. The server's administrator may
        accept it from a header (`X-FaceSwap-Consent: true`) or answer for it.

        `options.visible_label: false` leaves the visible label out; that is logged and shown on the task.
        Where the administrator does not allow it, the answer is 403. The other marks cannot be left out.
        """
        job_type = JobType.SINGLE_VIDEO if type == "video" else JobType(type)
        source, target, mapped = _files(service, job_type, body, owner)
        submit = partial(
            service.submit,
            job_type,
            source,
            target,
            face_mappings=mapped,
            consent=_consent(service.settings.api_consent, body.stated_consent(), request),
            options=body.swap_options(),
            owner=owner,
            sender=sender_of(request),
        )
        job = await to_thread.run_sync(submit, limiter=gate_slots)
        return success({"jobId": job.id})

    @api.post(
        "/single-image-swap",
        response_model=Success[PictureSwapView],
        responses=closed
        | failures(400, 402, 403, 413, 415, 429, 503, 507)
        | links("jobId", "status", "cancel", "download", "receipt", "revoke", "delete"),
        summary="Send two pictures and queue a swap",
        openapi_extra=multipart(
            original.SOURCE, original.TARGET, consent="`true`, as in /api/process/single-image."
        ),
    )
    async def single_image_swap(request: Request, owner: str = Depends(signed_in)) -> Response:
        """Two calls of /api/upload and one of /api/process/single-image in one request, as the original API
        has it. The target's own mouth is kept, and the face is enhanced if there are weights for that.
        """
        names, sender = (original.SOURCE, original.TARGET), sender_of(request)
        await to_thread.run_sync(service.require_upload_room, owner, sender, announced_bytes(request))
        async with received_form(request, names, service.settings.max_upload_mb) as form:
            stated = form.fields.get("consent", "").strip().lower() == "true"
            if not _consent(service.settings.api_consent, stated, request):
                raise ConsentRequired()

            def submit() -> Job:
                source, target = (
                    service.upload(file.file, file.name, expected="image", owner=owner, sender=sender)
                    for file in (form.files[name] for name in names)
                )
                return service.submit(
                    JobType.SINGLE_IMAGE,
                    source,
                    target,
                    consent=True,
                    options=original.PICTURE_OPTIONS,
                    owner=owner,
                    sender=sender,
                )

            job = await to_thread.run_sync(submit, limiter=engine_slots)
        return success({"jobId": job.id, "job_id": job.id})

    @api.post(
        "/preview",
        response_model=Success[PreviewView],
        responses=closed | failures(400, 403, 404, 413, 429, 503, 507),
        summary="One swapped frame",
    )
    async def preview(body: PreviewRequest, request: Request, owner: str = Depends(signed_in)) -> Response:
        """What /api/process would make of the same fields, in one frame and in about a second. Nothing is
        kept, and consent is demanded all the same.
        """
        job_type = JobType.SINGLE_VIDEO if body.type == "video" else JobType(body.type)
        source, target, mapped = _files(service, job_type, body, owner)
        make = partial(
            service.preview,
            job_type,
            source,
            target,
            face_mappings=mapped,
            consent=_consent(service.settings.api_consent, body.stated_consent(), request),
            options=body.swap_options(),
            at_s=body.at_s,
            owner=owner,
            sender=sender_of(request),
        )
        jpeg = await to_thread.run_sync(make, limiter=engine_slots)
        return success({"image": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"})

    @api.get(
        "/status/{jobId}",
        response_model=Success[JobView],
        responses=closed | failures(404),
        summary="One task",
    )
    def status(jobId: JobId, owner: str = Depends(signed_in)) -> Response:
        found = service.get(jobId, owner=owner)
        batches = service.batches.states_of([found])
        job = shown_job(found, owner, service, owners, service.files_of([found]), batches)
        return success(original.shown_status(job, service.settings))

    @api.get(
        "/tasks",
        response_model=Success[list[JobView]],
        responses=closed | failures(400) | {304: {"description": "Nothing changed since that ETag."}},
        summary="Tasks, for polling",
    )
    async def tasks(
        request: Request,
        scope: Annotated[
            Scope, Query(description="Live tasks; these and the last three finished; or all, newest first.")
        ] = "active",
        limit: Annotated[int, Query(ge=1, le=500, description="Of `all`.")] = 200,
        offset: Annotated[int, Query(ge=0, le=1_000_000, description="Of `all`.")] = 0,
        owner: str = Depends(signed_in),
    ) -> Response:
        """Send the ETag of the last answer as `If-None-Match`: 304 says that nothing changed."""
        return answers.answer(owner, scope, limit, offset, request.headers.get("if-none-match"))

    @api.post(
        "/cancel/{jobId}",
        response_model=Success[CancelView],
        responses=closed | failures(400, 404),
        summary="Cancel a task",
    )
    def cancel(jobId: JobId, owner: str = Depends(signed_in)) -> Response:
        """At once, wherever it runs; a task that is over stays as it is and answers 400."""
        service.cancel(jobId, owner=owner)
        return success({"message": "Job cancelled successfully"})

    @api.get(
        "/receipt/{jobId}",
        response_model=Success[ReceiptView],
        responses=closed | failures(404),
        summary="A task's receipt",
    )
    def receipt(jobId: JobId, owner: str = Depends(signed_in)) -> Response:
        """Of a task in any state, and of one that was deleted, for which it has hashes only."""
        return success(service.receipt(jobId, owner=owner).model_dump(mode="json"))

    @api.post(
        "/jobs/{jobId}/revoke",
        response_model=Success[RevokedView],
        responses=closed | failures(404),
        summary="Revoke the consent to a task",
    )
    def revoke(jobId: JobId, owner: str = Depends(signed_in)) -> Response:
        """The task is deleted with its media, and its receipt says why. A live one is cancelled first."""
        others = service.revoke_consent(jobId, owner=owner)
        return success({"message": "Consent revoked", "still_used_by": others})

    @api.post(
        "/jobs/{jobId}/title",
        response_model=Success[MessageView],
        responses=closed | failures(400, 404),
        summary="Give a task another title",
    )
    def title(jobId: JobId, body: TitleRequest, owner: str = Depends(signed_in)) -> Response:
        service.retitle(jobId, body.title, owner=owner)
        return success({"message": "Title changed"})

    @api.post(
        "/jobs/{jobId}/move",
        response_model=Success[MessageView],
        responses=closed | failures(400, 404),
        summary="Change the order of your waiting tasks",
    )
    def move(jobId: JobId, body: MoveRequest, owner: str = Depends(signed_in)) -> Response:
        """Only your own tasks change places. A task that does not wait stays as it is and answers 400."""
        service.move(jobId, body.place, before=body.before, owner=owner)
        return success({"message": "Task moved"})

    @api.post(
        "/queue/stop-after-current",
        response_model=Success[QueueStopView],
        responses=closed,
        summary="Start none of your waiting tasks any more",
    )
    def stop_queue(owner: str = Depends(signed_in)) -> Response:
        """What runs goes on to its end. New tasks wait, too, until /api/queue/resume."""
        service.stop_queue(owner=owner)
        return success({"stopped": True})

    @api.post(
        "/queue/resume",
        response_model=Success[QueueStopView],
        responses=closed,
        summary="Start your waiting tasks again",
    )
    def resume_queue(owner: str = Depends(signed_in)) -> Response:
        service.resume_queue(owner=owner)
        return success({"stopped": False})

    @api.delete(
        "/jobs/{jobId}",
        response_model=Success[MessageView],
        responses=closed | failures(404),
        summary="Delete a task with its media",
    )
    def delete(jobId: JobId, owner: str = Depends(signed_in)) -> Response:
        """A live one is cancelled first. Media that another task uses stay; of this one the receipt stays."""
        service.delete(jobId, owner=owner)
        return success({"message": "Job deleted"})

    @api.head("/download/{fileId}", include_in_schema=False)
    @api.get(
        "/download/{fileId}",
        response_class=FileResponse,
        responses=closed | failures(404) | BYTES,
        summary="A task's result, or an upload",
    )
    def download(fileId: FileId, owner: str = Depends(linked_in(download_path))) -> Response:
        """Ranges are honoured."""
        return stored_file(service, fileId, owner)

    @api.get(
        "/thumbnail/{fileId}",
        response_class=FileResponse,
        responses=closed | failures(404) | BYTES,
        summary="A small picture of an upload",
    )
    def small_picture(fileId: FileId, owner: str = Depends(linked_in(thumbnail_path))) -> Response:
        return thumbnail(service, fileId, owner)

    @api.get(
        "/jobs/{jobId}/thumbnail",
        response_class=Response,
        responses=closed
        | failures(400, 404)
        | {
            200: {"description": "A small picture.", "content": {"image/jpeg": {}, "image/webp": {}}},
            204: {"description": "The task has made no such picture yet, or it ran in the cloud."},
        },
        summary="A small picture of a task's source, target, result or latest frame",
    )
    def job_picture(
        jobId: JobId,
        of: Annotated[
            PictureOf, Query(description="`latest`: of a running video, every two seconds.")
        ] = "result",
        owner: str = Depends(linked_in(pictures_path)),
    ) -> Response:
        """What shows a swap has the visible label, unless the task leaves it out."""
        return picture_of_job(service, jobId, of, owner)

    @api.post(
        "/detect-faces",
        response_model=Success[FacesView],
        responses=closed | failures(400, 404, 413, 429, 503),
        summary="Faces in an uploaded picture or video",
    )
    async def detect_faces(
        body: DetectRequest, request: Request, owner: str = Depends(signed_in)
    ) -> Response:
        """Numbered `face_0`, `face_1`… from top to bottom, in each row from left to right.

        A video is looked at over its whole length; each of its people is shown where they are seen best.
        """
        detect = partial(service.detect_faces, body.fileId, owner=owner, sender=sender_of(request))
        faces = await to_thread.run_sync(detect, limiter=engine_slots)
        return success(
            {
                "faces": [_shown_face(face, service.settings) for face in faces],
                "image_path": owners.signed_url(download_path(body.fileId), owner),
                "total_faces": len(faces),
            }
        )

    add_batch_routes(
        api,
        service,
        owners,
        signed_in,
        linked_in,
        sender_of,
        partial(_consent, service.settings.api_consent),
        gate_slots,
        closed,
    )

    @api.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        return JSONResponse(described(known))

    @api.get("/docs", include_in_schema=False)
    def docs() -> Response:
        policy = {"Content-Security-Policy": docs_page.CONTENT_SECURITY_POLICY}
        return HTMLResponse(docs_page.page(described(known)), headers=policy)

    known = [route for route in api.routes if isinstance(route, APIRoute)]

    @api.api_route("/{rest:path}", methods=METHODS, include_in_schema=False)
    async def unknown(request: Request, rest: str) -> Response:
        """Ends here, in the envelope, rather than in a page."""
        partial = [route for route in known if route.matches(request.scope)[0] is Match.PARTIAL]
        if partial:
            allowed = ", ".join(sorted({method for route in partial for method in route.methods or ()}))
            raise HTTPException(405, "This route does not know this method", {"Allow": allowed})
        raise NotFound()

    return api


def _name(route: APIRoute) -> str:
    """Return the name of an operation in the OpenAPI document."""
    return route.name


def _consent(accepted: Literal["field", "header", "assume"], stated: bool, request: Request) -> bool:
    in_header = accepted == "header" and request.headers.get(CONSENT_HEADER, "").strip().lower() == "true"
    return accepted == "assume" or in_header or stated


def _expected(said: str | None) -> Literal["image", "video"] | None:
    """Raises: InvalidRequest."""
    match said or None:
        case None | "image" | "video" as kind:
            return kind
        case _:
            raise InvalidRequest(reason="expected is image or video")


def _files(
    service: Service, job_type: JobType, body: ProcessRequest, owner: str
) -> tuple[list[Upload], Upload, dict[str, list[Upload]]]:
    """Find the photos of the source, the target, and the photos by face id. All must belong to the owner."""
    more: list[str] = body.source_files or []
    photos = list(dict.fromkeys(file for file in (body.source_file, *more) if file))
    if not body.target_file or not (photos or job_type.several_faces):
        raise InvalidRequest(reason="source_file and target_file are needed")

    def found(file_id: str) -> Upload:
        return service.find_upload(file_id, owner=owner)

    if not job_type.several_faces:
        return [found(photo) for photo in photos], found(body.target_file), {}
    mapped = {
        face: [found(file)] if isinstance(file, str) else [found(each) for each in file]
        for face, file in (body.face_mappings or {}).items()
        if file
    }
    return [], found(body.target_file), mapped


def _shown_face(face: DetectedFace, settings: Settings) -> dict[str, Any]:
    return asdict(face) | {
        "center_x": face.x + face.width / 2,
        "center_y": face.y + face.height / 2,
        "preview": original.shown_preview(face.preview, settings),
    }
