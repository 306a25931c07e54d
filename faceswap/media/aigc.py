"""Writes and reads the metadata label `AIGC`, which says that a file is synthetic.

In MP4 the label is a key of the movie's metadata. In pictures it is a property of the XMP packet. A file must
have exactly one label. Libraries show only the last of several, so this module counts the labels in the bytes
of the file.

Source: GB 45438-2025.
"""

from __future__ import annotations

import html
import json
import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from faceswap.media.kinds import Limits, damage_is_bad_media, sniff

KEY = "AIGC"
NAMESPACE = "http://www.tc260.org.cn/ns/AIGC/1.0/"
FIELDS = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)
_IS_SYNTHETIC = "1"
_PROPERTY = re.compile(r"""<TC260:AIGC>(.*?)</TC260:AIGC>|TC260:AIGC=(?:"([^"]*)"|'([^']*)')""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FoundAigc:
    """The labels in a file: `count` is their number, `text` is the last one, or "" when there is none."""

    count: int
    text: str

    @property
    def fields(self) -> dict[str, str] | None:
        """The values of the last label by name; None if the label does not have the prescribed form."""
        try:
            said = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(said, dict) or set(cast("dict[str, object]", said)) != set(FIELDS):
            return None
        values = cast("dict[str, object]", said)
        if not all(isinstance(value, str) for value in values.values()):
            return None
        return {name: str(values[name]) for name in FIELDS}


def aigc_text(producer: str, produce_id: str) -> str:
    """A label, as compact JSON, that says that the file is synthetic.

    `producer` names the service, `produce_id` names the task.
    """
    said = dict.fromkeys(FIELDS, "") | {
        "Label": _IS_SYNTHETIC,
        "ContentProducer": producer,
        "ProduceID": produce_id,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def xmp_packet(aigc: str) -> str:
    """An XMP packet that holds only this label."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:TC260="{NAMESPACE}">'
        f"<TC260:AIGC>{html.escape(aigc, quote=False)}</TC260:AIGC>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    )


def read_aigc(path: Path, limits: Limits) -> FoundAigc:
    """Find the labels of a picture or video. Raises: BadMedia."""
    kind, name = sniff(path)
    if kind == "image":
        return _in_picture(path, name, limits)
    from faceswap.media.reading import VideoReader

    with VideoReader(path, limits) as reader:
        text = reader.metadata.get(KEY, "")
    count = _count(path, f"mdta{KEY}".encode()) if name in ("mp4", "mov") else int(bool(text))
    return FoundAigc(count if text else 0, text)


def _in_picture(path: Path, name: str, limits: Limits) -> FoundAigc:
    from PIL import Image  # writing a label does not need Pillow

    with damage_is_bad_media(), Image.open(path, formats=(name,)) as image:
        limits.check_picture(*image.size)
        image.load()  # reads to the end of the file: a PNG may have text after its pixels
        packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)
    found = _PROPERTY.findall(text)
    packets = max(1, _count(path, NAMESPACE.encode()))
    if not found:
        return FoundAigc(0, "")
    return FoundAigc(len(found) + packets - 1, html.unescape("".join(found[-1])))


def _count(path: Path, pattern: bytes) -> int:
    """How often these bytes occur in the file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        count, at = 0, content.find(pattern)
        while at >= 0:
            count, at = count + 1, content.find(pattern, at + 1)
        return count
