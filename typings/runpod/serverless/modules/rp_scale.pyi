from collections.abc import Awaitable, Callable

class JobScaler:
    stop_job: Callable[[JobScaler, str], Awaitable[bool]]
