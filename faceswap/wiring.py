"""Makes, connects, starts and closes the parts of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from faceswap.backends import Backend
from faceswap.backends.local import LocalBackend
from faceswap.backends.runpod import RunPodBackend
from faceswap.backends.simulated import SimulatedBackend
from faceswap.costs import Costs
from faceswap.disks import network_file_system, why_unusable
from faceswap.dispatcher import Dispatcher
from faceswap.driving import Seal
from faceswap.engine.child import confinement
from faceswap.engine.gate import require as require_gate
from faceswap.engine.neural.inventory import WeightsCache
from faceswap.erasure import Eraser
from faceswap.errors import DataFolderUnusable, NetworkDisk
from faceswap.folders import Folders
from faceswap.housekeeping import Housekeeping
from faceswap.jobs import Status
from faceswap.loops import Loop, State
from faceswap.orders import OrderChecks
from faceswap.private import private_folder
from faceswap.provenance import Provenance
from faceswap.settings import Settings
from faceswap.snapshots import Snapshots, prepare, remove_unowned, restore
from faceswap.store import JobStore
from faceswap.submission import Submission
from faceswap.uploads import Intake

REMOTE_AT_ONCE = 20
"""How many jobs this process submits and watches at once on a remote backend, which has its own queue."""
SIMULATIONS_AT_ONCE = 2


def open_store(
    settings: Settings, folders: Folders, clock: Callable[[], float]
) -> tuple[JobStore, Snapshots | None]:
    """Open the store. If this machine has none, restore it from its snapshot first.

    Raises: StoreUnavailable, and its subclasses `NetworkDisk` and `SnapshotUnavailable`; DiskFull.
    """
    file_system = None if settings.allow_network_disk else network_file_system(folders.root)
    if file_system is not None:
        raise NetworkDisk(file_system=file_system)
    if settings.snapshot_dir is None:
        store = JobStore(folders.store, clock)
        _keep_private(folders)
        return store, None
    prepare(settings.snapshot_dir)
    restored = restore(folders, settings.snapshot_dir)
    store = JobStore(folders.store, clock)
    _keep_private(folders)
    if restored:
        remove_unowned(store, folders)
    return store, Snapshots(store, folders, settings.snapshot_dir)


def _keep_private(folders: Folders) -> None:
    """Keep other users from the pictures of faces, whatever the mode of a data folder is that existed before.

    Raises: DataFolderUnusable.
    """
    try:
        private_folder(folders.incoming)  # before Gradio makes it
        for folder in (folders.uploads, folders.jobs):
            if folder.exists():
                private_folder(folder)
    except OSError as error:
        raise DataFolderUnusable(reason=why_unusable(error)) from error


def configured_backends(settings: Settings, folders: Folders, store: JobStore) -> dict[str, Backend]:
    """Make the backends that the settings allow. Returns them by name."""
    backends: dict[str, Backend] = {"local": LocalBackend(settings, folders)}
    if not settings.multi_user:
        backends["simulated"] = SimulatedBackend()
    if settings.runpod_configured:
        backends["runpod"] = RunPodBackend(settings, on_billed=store.note_billed, ledger=store)
    return backends


def slots(settings: Settings, backends: Iterable[str]) -> Mapping[str, int]:
    """Return how many jobs this process runs at once on each backend."""
    return dict.fromkeys(backends, REMOTE_AT_ONCE) | {
        "local": settings.local_workers,
        "simulated": SIMULATIONS_AT_ONCE,
    }


class Parts:
    """The parts of a service. `start` begins the background work, and `close` ends it.

    Raises:
        StoreUnavailable: the data folder or the snapshot folder cannot be used.
        GateUnavailable: the content gate that the settings name is not installed.
    """

    def __init__(
        self,
        settings: Settings,
        backends: Mapping[str, Backend] | None,
        clock: Callable[[], float],
        seal: Seal | None,
    ) -> None:
        if settings.content_gate:
            require_gate(settings.content_gate)
        self.settings = settings
        self._clock = clock
        self.folders = folders = Folders(settings.data_dir)
        self.store, self.snapshots = open_store(settings, folders, clock)
        self.weights = WeightsCache()
        self.intake = Intake(self.store, folders, settings, self._now)
        self.costs = Costs(self.store, settings, clock)
        self.orders = OrderChecks(self.store, self.intake, settings)
        self.provenance = Provenance(settings, folders, self._now)
        configured = configured_backends(settings, folders, self.store) if backends is None else backends
        self.backends = dict(configured)
        self.eraser = Eraser(
            self.store, folders, self.intake, self.backends, self._now, on_erased=self._delete_from_snapshot
        )
        self.dispatcher = Dispatcher(
            self.store,
            self.backends,
            folders,
            settings,
            slots(settings, self.backends),
            on_change=self._wake_snapshots,
            seal=seal or self.provenance.seal,
        )
        self.submission = Submission(
            self.store,
            folders,
            settings,
            self.backends,
            self.orders,
            self.costs,
            self._now,
            on_queued=self.wake,
        )
        self.housekeeping = Housekeeping(self.store, folders, self.intake, self.eraser, settings)

    @property
    def _loops(self) -> list[Loop]:
        snapshots = [self.snapshots.loop] if self.snapshots else []
        return [*self.dispatcher.loops, self.eraser.loop, *snapshots, self.housekeeping.loop]

    def start(self) -> None:
        """Start the background threads. Raises: SigningKeyUnusable: nothing was started."""
        self.provenance.require_key()
        self.dispatcher.start()
        self.eraser.start()
        if self.snapshots:
            self.snapshots.start()
        self.housekeeping.start()

    def close(self) -> None:
        """Stop everything. Local runs go back to the queue. The last snapshot comes after all changes."""
        self.housekeeping.close()
        self.dispatcher.close()
        self.eraser.close()
        for backend in self.backends.values():
            backend.close()
        if self.snapshots:
            self.snapshots.close()
        self.store.close()

    def wake(self, job_id: str | None = None) -> None:
        """Look for work now. Call it when a job was queued, or with the id of a job that was cancelled."""
        self.dispatcher.wake(job_id)
        self._wake_snapshots()

    def health(self) -> dict[str, object]:
        """Return the state of this process and of the whole queue, as JSON types.

        Raises: StoreUnavailable.
        """
        live = self.store.active()
        waiting = sum(job.status is Status.PENDING for job in live)
        return {
            "store": "ok",
            "snapshot": self.snapshots.state if self.snapshots else "off",
            "dispatcher": self.dispatcher.alive,
            "threads": self._threads_health(),
            "backends": sorted(self.backends.keys() - {"simulated"}),
            "default_backend": self.settings.backend_name,
            "confinement": asdict(confinement.available()),
            "queue": {
                "pending": waiting,
                "processing": len(live) - waiting,
                "limit": self.settings.max_queue,
            },
        }

    def _threads_health(self) -> dict[str, State]:
        states: dict[str, State] = {loop.name: loop.state for loop in self._loops if loop.started}
        return {**states, "runs": self.dispatcher.threads_state} if states else {}

    def _wake_snapshots(self) -> None:
        """Take a snapshot soon, because a restart must not lose what just happened."""
        if self.snapshots:
            self.snapshots.wake()

    def _delete_from_snapshot(self, folders: Sequence[Path]) -> bool:
        """Delete the deleted folders from the snapshot, too. Otherwise a restore would bring them back."""
        return self.snapshots is None or self.snapshots.take(without=folders)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
