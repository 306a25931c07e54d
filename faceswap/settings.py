"""Settings, read once from the environment. Every name and default is in docs/settings.md."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from platformdirs import user_data_path
from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _on_a_space() -> bool:
    return bool(os.environ.get("SPACE_ID"))


_T = TypeVar("_T")

MEGABYTE = 10**6
ADDRESS_SHARE = 3
"""All owners at one network address may together use a limit this many times. Several people may share an
address, and one person can be many owners."""


def _sized(own: _T, shared: _T) -> Callable[[], _T]:
    """Return a default: `own` on the user's machine, `shared` on a Space.

    On a Space, strangers share two cores and 16 GB.
    """
    return lambda: shared if _on_a_space() else own


_PASTED_ALONG = " \t\r\n\u00a0\u200b\ufeff\"'`\u2018\u2019\u201c\u201d\u300c\u300d"
"""Visible and invisible blanks, and straight, curly and Chinese quotes."""


class Settings(BaseSettings):
    """Everything that can be configured. `Settings(name=value)` overrides the environment, for tests and
    notebooks.

    Sizes in MB are 10**6 bytes. The limits of memory and time apply to each engine process.
    """

    model_config = SettingsConfigDict(
        env_prefix="FACESWAP_", env_ignore_empty=True, frozen=True, populate_by_name=True, extra="forbid"
    )

    data_dir: Path = Field(default_factory=lambda: user_data_path("faceswap", appauthor=False))
    backend: Literal["auto", "local", "runpod"] = "auto"
    allow_network_disk: bool = False
    """Open the store on a file system where its locks and writes are not safe; see `disks.py`."""
    snapshot_dir: Path | None = None
    """A folder for snapshots that stays when this machine's disk is lost, such as a mounted bucket; see
    `snapshots.py`."""
    mcp: bool = False
    """Offer the tools of `ui/tools.py` over MCP, too. This needs `gradio[mcp]`."""
    models_dir: Path | None = None
    """The folder with the user's weights for the neural engine, `*.onnx`. The default is `models` in the data
    folder."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    multi_user: bool = Field(default_factory=_on_a_space)
    behind_proxy: bool = Field(default_factory=_on_a_space)
    """Whether requests come through a proxy that names the client's address in `X-Forwarded-For`."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

    api_consent: Literal["field", "header", "assume"] = "field"
    """How a client of the API states consent. `field`: by a field. `header`: by a field or by the header
    `X-FaceSwap-Consent: true`. `assume`: not at all. Then the administrator answers for the consent."""

    content_gate: str = ""
    """The content gate, which checks files before a job is accepted: `nudenet`, a `module:function`, or empty
    for none; see `engine/gate`."""

    retention_days: float | None = Field(default_factory=_sized(None, 7.0), gt=0)
    """How long a job is kept with its media after its end. None (`never` in the environment): for ever."""

    max_active: int = Field(default_factory=_sized(5, 2), ge=1)
    max_queue: int = Field(default_factory=_sized(100, 20), ge=1)
    max_batch: int = Field(default_factory=_sized(200, 10), ge=1)
    """How many tasks of batches one user may have waiting or running. They do not count for `max_active`."""
    max_attempts: int = Field(default=3, ge=1)
    local_workers: int = Field(default_factory=_sized(max(1, (os.cpu_count() or 2) // 2), 1), ge=1)

    max_upload_mb: int = Field(default_factory=_sized(20_000, 100), ge=1)
    max_duration_s: float = Field(default_factory=_sized(3 * 3600.0, 60.0), gt=0)
    max_megapixels: float = Field(default=50, gt=0)
    """Limits pictures only. `max_video_megapixels` limits the frames of videos."""
    max_video_megapixels: float = Field(default=9, gt=0)
    engine_memory_mb: int = Field(default=4096, ge=512)
    engine_timeout_s: float = Field(default_factory=_sized(3600.0, 900.0), gt=0)
    """Limits the run of a picture, or of a video of up to ten minutes; see `Terms.of`."""
    min_free_mb: int = Field(default=200, ge=0)
    max_unused_uploads: int = Field(default=50, ge=1)
    max_unused_mb: int = Field(default=1000, ge=1)
    """With several users, limits for the files of one owner that no task uses; see `quota.py`."""

    producer: str = Field(default="faceswap", min_length=1, max_length=128)
    """Who runs this service: `ContentProducer` of the metadata label."""
    label_words: Literal["both", "zh", "en"] = "both"
    label_place: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = "bottom-right"
    label_style: Literal["plate", "outline"] = "plate"
    label_opening_s: float = Field(default=3, ge=2)
    """How long a video shows all words of the visible label at its start. After that a short mark stays."""
    allow_unlabelled: bool = Field(default_factory=lambda read: not read["multi_user"])
    """Whether a job may ask for a result without the visible label. Each such job is logged."""
    signing_key: SecretStr = SecretStr("")
    signing_cert: str = ""
    """PEM: a P-256 key and its certificates, leaf first. If not set, a pair is made in the data folder."""

    runpod_api_key: SecretStr = Field(
        default=SecretStr(""), validation_alias=AliasChoices("RUNPOD_API_KEY", "RUNPOD_TOKEN")
    )
    runpod_endpoint_id: str = Field(default="", validation_alias="RUNPOD_ENDPOINT_ID")
    runpod_wait_s: float = Field(default=900, gt=0)
    """How long a job may wait in the cloud for a free worker before it is given up there."""
    runpod_parallel: int = Field(default=1, ge=1, le=100)
    """On how many workers at once a long video may be swapped. With 1, each task is one run."""
    runpod_usd_per_s: float | None = Field(default=None, gt=0)
    """What RunPod takes for a second of the endpoint's GPU."""
    runpod_max_usd_per_task: float | None = Field(default=None, gt=0)
    runpod_max_usd_per_day: float | None = Field(default=None, gt=0)
    """Limits what a job, and the jobs of 24 hours, may cost. They need the price; see `costs.py`."""
    runpod_base_url: str = Field(default="https://api.runpod.ai/v2", validation_alias="RUNPOD_BASE_URL")
    s3_endpoint: str = ""
    s3_bucket: str = ""
    s3_access_key: str = ""
    s3_secret_key: SecretStr = SecretStr("")
    s3_region: str = "auto"

    server_port: int = Field(
        default_factory=lambda: 7860 if _on_a_space() else 3001,
        validation_alias="GRADIO_SERVER_PORT",
        ge=1,
        le=65535,
    )
    server_name: str = Field(
        default_factory=lambda: "0.0.0.0" if _on_a_space() else "127.0.0.1",
        validation_alias="GRADIO_SERVER_NAME",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("models_dir", "snapshot_dir", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return value or None

    @field_validator(
        "runpod_api_key",
        "runpod_endpoint_id",
        "runpod_base_url",
        "s3_endpoint",
        "s3_bucket",
        "s3_access_key",
        "s3_secret_key",
        "s3_region",
        mode="before",
    )
    @classmethod
    def _as_meant(cls, value: object) -> object:
        """Remove the blanks, line ends and quotes that are often copied from a page along with a key."""
        return value.strip(_PASTED_ALONG) if isinstance(value, str) else value

    @field_validator("snapshot_dir")
    @classmethod
    def _apart(cls, value: Path | None, others: ValidationInfo) -> Path | None:
        if value is not None and "data_dir" in others.data:
            own, copy = others.data["data_dir"].resolve(), value.resolve()
            if own.is_relative_to(copy) or copy.is_relative_to(own):
                raise ValueError("it and the data folder must not contain each other")
        return value

    @field_validator("retention_days", mode="before")
    @classmethod
    def _never(cls, value: object) -> object:
        return None if isinstance(value, str) and value.strip().lower() == "never" else value

    @model_validator(mode="after")
    def _need_a_price(self) -> Self:
        limits = (self.runpod_max_usd_per_task, self.runpod_max_usd_per_day)
        if self.runpod_usd_per_s is None and any(limit is not None for limit in limits):
            raise ValueError("a limit in USD needs the price, FACESWAP_RUNPOD_USD_PER_S")
        return self

    @property
    def neural_models_dir(self) -> Path:
        return self.models_dir or self.data_dir / "models"

    @property
    def runpod_configured(self) -> bool:
        return bool(self.runpod_api_key.get_secret_value() and self.runpod_endpoint_id)

    @property
    def backend_name(self) -> Literal["local", "runpod"]:
        """Where new jobs run: the setting `backend`. `auto` is RunPod if that is configured, else `local`."""
        if self.backend == "auto":
            return "runpod" if self.runpod_configured else "local"
        return self.backend
