"""What the app can do. The pages, the API, notebooks and the command line all use this service."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Literal, Self

from pydantic import ValidationError

from faceswap.backends import Backend
from faceswap.batches import Batches
from faceswap.changes import JobChanges
from faceswap.costs import Costs
from faceswap.driving import Seal
from faceswap.engine.face.models import hand_model_path, landmarker_path, recogniser_path
from faceswap.engine.neural import providers
from faceswap.engine.neural.inventory import Inventory
from faceswap.errors import InvalidRequest
from faceswap.files import FileActions
from faceswap.jobs import LOCAL_OWNER, Job, Simulation, SwapOptions
from faceswap.orders import File, Files, SwapOrder
from faceswap.queries import JobQueries
from faceswap.settings import Settings
from faceswap.wiring import Parts


class Service(FileActions, JobChanges, JobQueries):
    """Opens the store and starts a dispatcher. Call `close`, or use it in a `with` statement.

    Methods about jobs and files take `owner`. Another owner's job or file is reported as not found. A service
    is safe to use from any thread. Several processes may each have a service for the same data folder.

    Raises:
        StoreUnavailable: the data folder or the snapshot folder cannot be used.
        GateUnavailable: the content gate that the settings name is not installed.
        SigningKeyUnusable: results cannot be signed. Raised with `dispatch` only.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        backends: Mapping[str, Backend] | None = None,
        clock: Callable[[], float] = time.time,
        dispatch: bool = True,
        seal: Seal | None = None,
    ) -> None:
        """`seal` puts the last marks on results. It defaults to `Provenance.seal`."""
        self.settings = settings or Settings()
        self._parts = Parts(self.settings, backends, clock, seal)
        super().__init__(self._parts.store, self._parts.folders, self._parts.eraser)
        self._batches = Batches(
            self._parts.store, self._parts.submission, lambda job_id, owner: self.cancel(job_id, owner=owner)
        )
        if dispatch:
            self._parts.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop dispatching. Local runs go back to the queue. Remote runs go on and are taken over later."""
        self._closing = True
        self._parts.close()

    @property
    def batches(self) -> Batches:
        """Batches: several faces in several targets."""
        return self._batches

    @property
    def costs(self) -> Costs:
        """What jobs cost, and will probably cost, in the cloud."""
        return self._parts.costs

    def models(self) -> Inventory:
        """Return the user's weights files for the neural engine. Takes a second for each new file."""
        return self._parts.weights.inventory(self.settings.neural_models_dir)

    @property
    def neural_runtime_installed(self) -> bool:
        """Whether the Python package that runs networks is installed on this machine."""
        return providers.installed()

    def fetch_models(self) -> None:
        """Download the models of the embedded engine if they are not there yet. Raises: WeightsMissing."""
        for find in (landmarker_path, hand_model_path, recogniser_path):
            find(self._folders.weights)

    def submit(
        self,
        type: str,
        source: Files | None,
        target: File,
        *,
        consent: bool,
        face_mappings: Mapping[str, Files] | None = None,
        options: SwapOptions | None = None,
        title: str | None = None,
        owner: str = LOCAL_OWNER,
        sender: str = "",
    ) -> Job:
        """Queue a swap and return at once. A path is uploaded first, which takes a second or two.

        `single-*` puts `source` onto the person that the option `face_selector` names, or onto all faces.
        `multi-*` puts each source of `face_mappings` onto the face with that id (see `detect_faces`). It
        leaves all other faces untouched, and needs no `source`. A source may be several photos of one person.

        Raises:
            ConsentRequired: `consent` is not True.
            LabelRequired: the options leave the visible label out, which this server does not allow.
            InvalidRequest: the type is unknown, or there is no source; also `NoFaceChosen`, `UnknownFace`.
            BadMedia: a file cannot be used; also `NoFaceFound`, when a picture shows no face, and
                `ContentRefused`.
            TooManyJobs, DiskFull, BackendUnavailable: try later.
        """
        options = options or SwapOptions()
        order = SwapOrder(type, source, target, consent, face_mappings, options, owner, sender)
        return self.submit_order(order, title)

    def submit_order(self, order: SwapOrder, title: str | None = None) -> Job:
        """Does the same as `submit`, with an order."""
        return self._parts.submission.submit(order, title)

    def as_jpeg(self, job_id: str, *, owner: str = LOCAL_OWNER) -> bytes:
        """Return the result of a picture as JPEG, with the same marks, signed anew. Takes about two seconds.

        Raises: JobNotFound, ResultNotReady, BadMedia, MarksMissing, SigningKeyUnusable.
        """
        job = self._store.get(job_id, owner)
        return self._parts.provenance.as_jpeg(job, self.result_path(job_id, owner=owner))

    def simulate(
        self,
        duration_s: float = 20.0,
        outcome: Literal["completed", "failed"] = "completed",
        *,
        title: str = "simulation",
        owner: str = LOCAL_OWNER,
    ) -> Job:
        """Queue a job that only pretends to work for `duration_s`. It counts towards the limits, too.

        Raises:
            InvalidRequest: the duration is not above 0 s, or is over 600 s.
            BackendUnavailable: this server has several users.
            TooManyJobs: try later.
        """
        try:
            plan = Simulation(duration_s=duration_s, outcome=outcome)
        except ValidationError as error:
            raise InvalidRequest(reason="a simulation lasts up to 600 s") from error
        return self._parts.submission.simulate(plan, owner, title)

    def preview(
        self,
        type: str,
        source: Files | None,
        target: File,
        *,
        consent: bool,
        face_mappings: Mapping[str, Files] | None = None,
        options: SwapOptions | None = None,
        at_s: float | None = None,
        owner: str = LOCAL_OWNER,
        sender: str = "",
    ) -> bytes:
        """Return one frame, as JPEG, of the result that `submit` would make. Takes about a second.

        For a video it is the frame at `at_s` seconds. Without `at_s` it is a frame near the middle that shows
        a face. The frame is made on this machine. No job is made, and the frame is not kept.

        Raises:
            ConsentRequired, LabelRequired, InvalidRequest, BadMedia, DiskFull: as for `submit`.
            BackendUnavailable: the engine could not make the frame.
            TooBusy: too many others wait.
        """
        options = options or SwapOptions()
        order = SwapOrder(type, source, target, consent, face_mappings, options, owner, sender)
        return self.preview_order(order, at_s)

    def preview_order(self, order: SwapOrder, at_s: float | None = None) -> bytes:
        """Does the same as `preview`, with an order."""
        return self._parts.orders.preview(order, at_s)

    def health(self) -> dict[str, object]:
        """Return the state of this process and of the whole queue, as JSON types.

        Raises: StoreUnavailable.
        """
        return self._parts.health()
