from collections.abc import Awaitable, Callable
from typing import Any

class JobScaler:
    stop_job: Callable[[JobScaler, str], Awaitable[bool]]
    jobs_fetcher: Callable[..., Awaitable[Any]]
    def __init__(self, config: dict[str, Any]) -> None: ...
    def kill_worker(self) -> None: ...
