"""The routes of batches: several faces in several targets."""

# No postponed annotations: FastAPI must read the types that are made inside the function.
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from faceswap.api.access import Owner
from faceswap.api.answers import success
from faceswap.api.documents import failures, links
from faceswap.api.files import batch_path, batch_results
from faceswap.api.schemas import BatchStateView, JobView, Success, SwapRequest, Text
from faceswap.api.tasks import shown_batch, shown_job
from faceswap.batches import MOST_FILES, Pairing
from faceswap.jobs import Job
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.store import BatchState

_ID = "Yk3wB7n0T5eZr1uQmVd9Xg"
BatchId = Annotated[str, Path(description="Of a batch.")]
Files = Annotated[list[Text], Field(min_length=1, max_length=MOST_FILES)]


class BatchRequest(SwapRequest):
    """What to swap. Unknown fields are ignored."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "sources": ["pR0v3N4t6yXq8sLw2bZkJA"],
                "targets": ["c1Qz5JtHn8oRr0FvGxWm3A"],
                "pairing": "each",
                "consent": True,
            }
        }
    )

    sources: Files = Field(description="Uploaded pictures, each with the face to put in.")
    targets: Files = Field(description="Uploaded pictures and videos.")
    pairing: Pairing = Field(
        default="each", description="Each source into each target, or the first into the first, and so on."
    )


class RetryRequest(BaseModel):
    consent: StrictBool | None = Field(default=None, description="Stated anew: the files are used again.")


class BatchCreatedView(BaseModel):
    batchId: str = Field(examples=[_ID])
    jobIds: list[str] = Field(examples=[[_ID]], description="In the order of the targets.")


class BatchView(BatchStateView):
    jobs: list[JobView] = Field(description="In the order in which they were queued.")


class BatchCancelView(BaseModel):
    cancelled: int = Field(ge=1, description="How many tasks were waiting or running.")


def add_batch_routes(
    api: APIRouter,
    service: Service,
    owners: Owners,
    signed_in: Owner,
    linked_in: Callable[[Callable[[str], str]], Owner],
    sender_of: Callable[[Request], str],
    consent: Callable[[bool, Request], bool],
    gate_slots: CapacityLimiter | None,
    closed: dict[int | str, dict[str, Any]],
) -> None:
    """Add the routes. `consent` returns whether consent counts as stated, given what the body says. A request
    that asks the content gate waits for one of `gate_slots`."""

    def created(jobs: Sequence[Job]) -> Response:
        return success({"batchId": jobs[0].batch, "jobIds": [job.id for job in jobs]})

    def whole(state: BatchState, jobs: Sequence[Job], owner: str) -> dict[str, Any]:
        files, states = service.files_of(jobs), {state.id: state}
        shown = [shown_job(job, owner, service, owners, files, states) for job in jobs]
        return shown_batch(state, owner, owners) | {"jobs": shown}

    @api.post(
        "/batches",
        response_model=Success[BatchCreatedView],
        responses=closed
        | failures(400, 402, 403, 404, 413, 429, 503, 507)
        | links("batchId", "batch", "cancel_batch", "retry_batch", "batch_download"),
        summary="Queue a swap for each pair of several sources and targets",
    )
    async def new_batch(body: BatchRequest, request: Request, owner: str = Depends(signed_in)) -> Response:
        """All pairs are queued, or none. Each is a task with a statement of consent of its own, and waits
        behind the tasks of no batch. Consent is demanded as in /api/process.
        """

        def submit() -> list[Job]:
            find = partial(service.find_upload, owner=owner)
            return service.batches.submit(
                [find(file) for file in body.sources],
                [find(file) for file in body.targets],
                pairing=body.pairing,
                consent=consent(body.stated_consent(), request),
                options=body.swap_options(),
                owner=owner,
                sender=sender_of(request),
            )

        return created(await to_thread.run_sync(submit, limiter=gate_slots))

    @api.get(
        "/batches",
        response_model=Success[list[BatchStateView]],
        responses=closed | failures(400),
        summary="Batches, newest first",
    )
    def batches(
        limit: Annotated[int, Query(ge=1, le=500, description="At most so many.")] = 50,
        owner: str = Depends(signed_in),
    ) -> Response:
        found = service.batches.all(limit=limit, owner=owner)
        return success([shown_batch(state, owner, owners) for state in found])

    @api.get(
        "/batches/{batchId}",
        response_model=Success[BatchView],
        responses=closed | failures(404),
        summary="A batch and its tasks",
    )
    def batch(batchId: BatchId, owner: str = Depends(signed_in)) -> Response:
        return success(whole(*service.batches.get(batchId, owner=owner), owner))

    @api.post(
        "/batches/{batchId}/cancel",
        response_model=Success[BatchCancelView],
        responses=closed | failures(400, 404),
        summary="Cancel every waiting and running task of a batch",
    )
    def cancel_batch(batchId: BatchId, owner: str = Depends(signed_in)) -> Response:
        """If every task of the batch is over, nothing changes and the answer is 400."""
        return success({"cancelled": service.batches.cancel(batchId, owner=owner)})

    @api.post(
        "/batches/{batchId}/retry",
        response_model=Success[BatchCreatedView],
        responses=closed | failures(400, 402, 403, 404, 429, 503, 507),
        summary="Queue the failed tasks of a batch again",
    )
    async def retry_batch(
        batchId: BatchId, body: RetryRequest, request: Request, owner: str = Depends(signed_in)
    ) -> Response:
        """With the same files and options. Cancelled tasks count as failed. New tasks take their place in the
        batch. Consent is demanded as in /api/process.
        """
        agreed = consent(body.consent is True, request)
        again = partial(
            service.batches.retry, batchId, consent=agreed, owner=owner, sender=sender_of(request)
        )
        return created(await to_thread.run_sync(again, limiter=gate_slots))

    @api.get(
        "/batches/{batchId}/download",
        response_class=StreamingResponse,
        responses=closed
        | failures(404)
        | {200: {"description": "A ZIP, made while it is sent.", "content": {"application/zip": {}}}},
        summary="The results of a batch, as a ZIP",
    )
    def batch_download(batchId: BatchId, owner: str = Depends(linked_in(batch_path))) -> Response:
        """Those of the tasks that are completed."""
        return batch_results(service, batchId, owner)
