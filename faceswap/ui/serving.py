"""The app from its start to its end: service, pages and routes, until a signal comes."""

from __future__ import annotations

import logging
import signal
import threading
from queue import SimpleQueue

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
    # No `threading.Event`: its `set` would wait for ever when the signal finds this thread inside its `wait`.
    signals: SimpleQueue[int] = SimpleQueue()

    def on_signal(number: int, frame: object) -> None:
        signals.put(number)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    with Service(settings) as service:
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
        signals.get()
        demo.close(verbose=False)
    return 0


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
