"""Signs a result with a C2PA manifest, reads a manifest, and seals the file against any change.

Signing is the last step of a result. The hashes of C2PA do not cover every byte: they leave out the `ftyp`
box of an MP4 and, in every format, some of the manifest's framing and the padding of its signature. A file
with a changed bit in such a place still counts as valid.

So this module adds a seal: the SHA-256 of the whole file, computed with zeros in the 32 bytes of the seal.
The seal is in the unprotected header of the COSE signature, which exists for data that is added after
signing. It takes its space from the padding.

The seal is not a signature: someone who changes a byte that C2PA leaves out can also compute a new seal. But
such bytes mean nothing; all content is signed.

Source: C2PA 2.2, sections 13.2 (COSE, padding) and A.3 and A.5 (what is excluded); RFC 9052.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from faceswap.errors import MarksMissing
from faceswap.media.kinds import sniff

SWAP_ASSERTION = "faceswap.swap"
"""Label of the app's own assertion in a manifest. It states what was done, and with which ingredients."""

_FORMATS = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "avi": "video/avi",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
_DIGEST_BYTES = 32
_SEAL_KEY = b"\x6ffaceswap.sha256"  # CBOR text of 15 bytes
_SEAL = _SEAL_KEY + b"\x58\x20"  # CBOR bytes, 32 of them
_PAD = b"\xa1\x63pad\x59"  # CBOR map of one: "pad", bytes with a length of two bytes
_PNG, _PNG_CHUNK, _CRC_BYTES = b"\x89PNG\r\n\x1a\n", b"caBX", 4
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the manifest of a file says, and whether the file still matches it."""

    valid: bool
    """Whether the signature and all hashes that it covers are right."""
    trusted: bool
    """Whether the signer's certificate comes from one of the `anchors`."""
    sealed: bool | None
    """Whether no byte of the file has changed since it was sealed; None when it has no seal of this app."""
    signer: str
    """Common name in the signer's certificate."""
    generator: str
    """The program that made the claim."""
    urn: str
    problems: tuple[str, ...] = ()
    """Codes of failed checks, from the C2PA specification."""
    swap: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The app's own assertion; empty when another program signed the file."""
    source_type: str = ""
    """The last part of the address in `digitalSourceType` of the first action."""
    when: str = ""


def sign(source: Path, signed: Path, manifest: Mapping[str, object], key: str, chain: str) -> None:
    """Write `source` with its manifest to `signed`, which must not exist.

    `key` is a P-256 private key. `chain` is its certificate, followed by that of its issuer. All are PEM.

    Raises:
        MarksMissing: the file cannot be signed or sealed.
    """
    library: Any = import_module("c2pa")  # 23 MB, not annotated
    media_type = _FORMATS[sniff(source)[1]]
    try:
        context = library.Context(library.Settings.from_dict(_SETTINGS))
        signer = library.Signer.from_info(
            library.C2paSignerInfo(b"es256", chain.encode(), key.encode(), None)
        )
        builder = library.Builder.from_json(json.dumps(manifest), context)
        with source.open("rb") as original, signed.open("w+b") as result:
            builder.sign(signer, media_type, original, result)
    except library.C2paError as error:
        raise MarksMissing(mark="signature") from error
    _seal(signed)


_SETTINGS: dict[str, object] = {
    "builder": {"thumbnail": {"enabled": False}},  # a thumbnail would show the face
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
}


def read_manifest(path: Path, anchors: str) -> Manifest | None:
    """The manifest of a file; None when it has none, or none that can be read.

    `anchors` are the trusted certificates, PEM. Nothing is downloaded.
    """
    media_type = _FORMATS.get(sniff(path)[1])
    if media_type is None:
        return None
    library: Any = import_module("c2pa")  # 23 MB, not annotated
    trust: dict[str, object] = {"trust": {"trust_anchors": anchors}} if anchors else {}
    try:
        context = library.Context(library.Settings.from_dict(_SETTINGS | trust))
        with path.open("rb") as file:
            reader = library.Reader(media_type, file, context=context)
            said = _map(json.loads(reader.json()))
            state = str(reader.get_validation_state())
    except (library.C2paError, ValueError, RecursionError):
        return None
    active = _map(_map(said.get("manifests")).get(str(said.get("active_manifest"))))
    return _understood(active, said, state, is_sealed(path)) if active else None


def _understood(
    active: Mapping[str, Any], said: Mapping[str, Any], state: str, sealed: bool | None
) -> Manifest:
    results = _map(_map(said.get("validation_results")).get("activeManifest"))
    assertions = {str(each.get("label")): _map(each.get("data")) for each in _maps(active.get("assertions"))}
    actions = next(
        (data for label, data in assertions.items() if label.startswith("c2pa.actions")), _map(None)
    )
    first = next(iter(_maps(actions.get("actions"))), _map(None))
    generator = next(iter(_maps(active.get("claim_generator_info"))), _map(None))
    return Manifest(
        valid=state in ("Valid", "Trusted"),
        trusted=state == "Trusted",
        sealed=sealed,
        signer=str(_map(active.get("signature_info")).get("common_name") or ""),
        generator=str(generator.get("name") or active.get("claim_generator") or ""),
        urn=str(said.get("active_manifest")),
        problems=tuple(sorted({str(each.get("code")) for each in _maps(results.get("failure"))})),
        swap=assertions.get(SWAP_ASSERTION, {}),
        source_type=str(first.get("digitalSourceType") or "").rpartition("/")[2],
        when=str(first.get("when") or ""),
    )


def _map(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _maps(value: object) -> list[dict[str, Any]]:
    return [_map(each) for each in cast("list[object]", value)] if isinstance(value, list) else []


def _seal(path: Path) -> None:
    """Replace part of the padding of a new signature by a seal. Raises: MarksMissing."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        at = content.find(_PAD)
        if at < 0:
            raise MarksMissing(mark="signature")
        begin = at + len(_PAD) + 2
        room = int.from_bytes(content[begin - 2 : begin], "big")
        left = room - len(_SEAL) - _DIGEST_BYTES
        # CBOR writes a length below 256 in fewer bytes, so `header` would not fill the space exactly.
        if left < 256 or any(content[begin : begin + room]):
            raise MarksMissing(mark="signature")
        header = b"\xa2" + _PAD[1:] + left.to_bytes(2, "big") + bytes(left) + _SEAL
        content[at : at + len(header)] = header
        digest_at = at + len(header)
        content[digest_at : digest_at + _DIGEST_BYTES] = _digest(content, digest_at)
        if chunk := _chunk_of(content):
            content[chunk.stop : chunk.stop + _CRC_BYTES] = _crc(content, chunk)


def is_sealed(path: Path) -> bool | None:
    """Whether the file has not changed since it was sealed; None when it has no seal."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(_SEAL)
        if at < 0:
            return None
        digest_at = at + len(_SEAL)
        chunk = _chunk_of(content)
        if chunk and content[chunk.stop : chunk.stop + _CRC_BYTES] != _crc(content, chunk):
            return False
        return content[digest_at : digest_at + _DIGEST_BYTES] == _digest(content, digest_at)


def _digest(content: mmap.mmap, digest_at: int) -> bytes:
    """SHA-256 of the whole file, with zeros in place of the digest itself.

    In a PNG, the checksum of the chunk that holds the digest depends on the digest. So it counts as zeros,
    too, and the callers handle it separately.
    """
    digest = hashlib.sha256()
    holes = [slice(digest_at, digest_at + _DIGEST_BYTES)]
    if chunk := _chunk_of(content):
        holes.append(slice(chunk.stop, chunk.stop + _CRC_BYTES))
    begin = 0
    for hole in (*sorted(holes, key=lambda each: each.start), slice(len(content), len(content))):
        for start in range(begin, hole.start, _CHUNK):
            digest.update(content[start : min(start + _CHUNK, hole.start)])
        digest.update(bytes(hole.stop - hole.start))
        begin = hole.stop
    return digest.digest()


def _chunk_of(content: mmap.mmap) -> slice | None:
    """Range of the type and data of the PNG chunk that holds the manifest; None in other formats."""
    at = content.find(_PNG_CHUNK) if content[:8] == _PNG else -1
    if at < 4:
        return None
    return slice(at, at + 4 + int.from_bytes(content[at - 4 : at], "big"))


def _crc(content: mmap.mmap, chunk: slice) -> bytes:
    return zlib.crc32(content[chunk]).to_bytes(_CRC_BYTES, "big")
