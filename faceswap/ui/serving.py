"""The app from its start to its end: service, pages and routes, until a signal comes."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from faceswap.errors import FaceSwapError, PortInUse
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.ui.gradio_internals import is_port_in_use
from faceswap.ui.pages import build, launch
from faceswap.ui.places import require_address, require_temporary_folder
from faceswap.ui.zero_gpu import declare

log = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit code; call it in the main thread.

    Raises: StoreUnavailable, CannotStart.
    """
    require_temporary_folder()
    require_address(settings.server_name, settings.server_port)
    with stop_signals() as wait_for_stop, Service(settings) as service:
        owners = Owners.load(settings.data_dir, settings.multi_user)  # after a restore, which brings its key
        threading.Thread(target=_fetch_models, args=(service,), daemon=True).start()
        demo = build(service, owners)
        declare()
        try:
            launch(demo, service, owners, prevent_thread_lock=True)
        except OSError as error:
            if not is_port_in_use(error):
                raise
            raise PortInUse(host=settings.server_name, port=settings.server_port) from error
        _log_as_we_do()
        shown = "localhost" if settings.server_name in ("127.0.0.1", "0.0.0.0") else settings.server_name
        print(f"FaceSwap 换脸: http://{shown}:{settings.server_port}/video", flush=True)
        wait_for_stop()
        demo.close(verbose=False)
    return 0


@contextmanager
def stop_signals() -> Generator[Callable[[], None]]:
    """A function that returns once SIGINT or SIGTERM has come since this began; for the main thread.

    The system may give a signal to any thread, or to this one just before it begins to wait. Python then
    notes it and goes on waiting for a lock or a queue. What it writes to a socket wakes this thread in every
    case.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)

    def nothing(number: int, frame: object) -> None:
        """Python writes to the socket only for signals with a handler of its own."""

    noted, note = socket.socketpair()
    with noted, note:
        note.setblocking(False)
        signal.set_wakeup_fd(note.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, nothing)  # to the end of the process: a second Ctrl-C is no error

        def wait() -> None:
            while noted.recv(1)[0] not in numbers:
                pass

        try:
            yield wait
        finally:
            signal.set_wakeup_fd(-1)


def _log_as_we_do() -> None:
    """Send the lines of the web server to our own handler, which writes a flood of them as one."""
    theirs = logging.getLogger("uvicorn")
    theirs.handlers.clear()
    theirs.propagate = True


def _fetch_models(service: Service) -> None:
    """Before the first task needs it. Without it that task fails with a sentence of its own."""
    try:
        service.fetch_models()
    except FaceSwapError as error:
        log.warning("%s", error)
