"""What the worker is told to do. The other side of this is `backends/runpod_wire.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.options import Options
from faceswap.errors import InvalidRequest
from faceswap.media import aigc_text

_KINDS: Mapping[str, Literal["image", "video"]] = {
    "single-image": "image",
    "multi-image": "image",
    "single-video": "video",
    "multi-video": "video",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a file comes from: an https URL, or the file itself as a data URL."""

    url: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    kind: Literal["image", "video"]
    sources: Mapping[str, Address]
    """The faces to put in, by the id of the target's face; `""` is the only source of a single swap."""
    target: Address
    people: Address | None = None
    """What was learned before about the people of the target; their ids are those of `sources`."""
    options: Options = field(default_factory=Options)
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    """`max_megapixels`, `max_video_megapixels` and `max_duration_s`, where the app has its own."""
    marking: Marking | None = None
    """What the result is marked with; `parse` sees to it that there is something."""
    deadline: datetime | None = None
    """When the run must be over."""
    result_url: str | None = None
    """Where to PUT the result; None sends it back inside the answer."""
    receipt_url: str | None = None
    cancel_url: str | None = None

    @classmethod
    def parse(cls, raw: object) -> Order:
        """Read the `input` of a RunPod job. Unknown fields are ignored.

        Raises:
            InvalidRequest: names the field that is missing or cannot be understood.
        """
        said = _fields(raw, "input")
        kind = _KINDS.get(str(said.get("process_type")))
        if kind is None:
            raise InvalidRequest(reason="process_type must be one of " + ", ".join(_KINDS))
        sums = _fields(said.get("sha256") or {}, "sha256")
        mapped_sums = _fields(sums.get("face_mappings") or {}, "sha256.face_mappings")
        sources = {
            face: Address(_text(url, "face_mappings"), _optional(mapped_sums, face))
            for face, url in _fields(said.get("face_mappings") or {}, "face_mappings").items()
        }
        if not sources or not str(said["process_type"]).startswith("multi-"):
            source = _text(said.get("source_file"), "source_file")
            sources = {"": Address(source, _optional(sums, "source_file"))}
        limits = _fields(said.get("limits") or {}, "limits")
        people = _optional(said, "people_file")
        return cls(
            kind=kind,
            sources=sources,
            target=Address(_text(said.get("target_file"), "target_file"), _optional(sums, "target_file")),
            people=Address(people, _optional(sums, "people_file")) if people else None,
            options=_options(_fields(said.get("options") or {}, "options")),
            limits={name: float(value) for name, value in limits.items() if _is_number(value)},
            marking=_marking(said),
            deadline=_time(said.get("deadline")),
            result_url=_optional(said, "result_url"),
            receipt_url=_optional(said, "receipt_url"),
            cancel_url=_optional(said, "cancel_url"),
        )


def _marking(said: Mapping[str, Any]) -> Marking:
    """An order that says nothing of marks gets the usual ones: no picture leaves here without."""
    if said.get("marking") is not None:
        return Marking.of(said["marking"])
    return Marking(Label(), aigc_text("faceswap", str(said.get("job_id") or "")))


def _fields(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(reason=f"{name} must be an object")
    return cast("dict[str, Any]", value)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidRequest(reason=f"{name} must be an https address or a data URL")
    return value


def _optional(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _options(said: Mapping[str, Any]) -> Options:
    """What has another type than it should is as if it were missing: older clients send what they like."""
    usual = Options()
    crf = said.get("crf", usual.crf)
    if not _is_number(crf) or not 0 <= crf <= 51:
        raise InvalidRequest(reason="options.crf must be a number from 0 to 51")
    kept = {
        name: value
        for name, value in said.items()
        if name != "crf" and type(value) is type(getattr(usual, name, None))
    }
    return Options.of(kept | {"crf": round(crf)})


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InvalidRequest(reason="deadline must be an ISO 8601 time") from error
    if time.tzinfo is None:
        raise InvalidRequest(reason="deadline must carry its time zone")
    return time
