# What the engine uses of onnxruntime, an optional install.
from collections.abc import Mapping, Sequence
from typing import Any

class SessionOptions:
    log_severity_level: int
    def add_session_config_entry(self, name: str, value: str, /) -> None: ...

class NodeArg:
    name: str
    type: str

class InferenceSession:
    def __init__(
        self,
        path_or_bytes: str | bytes,
        sess_options: SessionOptions | None = None,
        providers: Sequence[str | tuple[str, Mapping[str, str]]] | None = None,
    ) -> None: ...
    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]) -> list[Any]: ...
    def get_inputs(self) -> list[NodeArg]: ...
    def get_providers(self) -> list[str]: ...

def get_available_providers() -> list[str]: ...
def preload_dlls() -> None: ...
