"""Decides which marks a result gets, checks that it has them, and says what the marks of a file mean.

A result has three marks: the visible label, the metadata label and the C2PA manifest. The engine adds both
labels while it encodes, on this machine or in the cloud, because adding them later would mean encoding again.
`marking_of` tells the engine which labels to add. Afterwards `seal` signs the C2PA manifest on this machine,
with a key that never leaves it. Then `seal` reads all three marks back from the file and refuses a result
that lacks one.

Only the engine's child process opens the files.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from faceswap.engine.child.contract import MarksSpec, SealSpec, Spec
from faceswap.engine.child.process import EngineProcess, retried_without_memory
from faceswap.engine.marks.found import FoundMarks
from faceswap.engine.marks.marking import Label, Marking, Words
from faceswap.engine.neural.contracts import Role
from faceswap.errors import BadMedia, FaceSwapError, JobTimeout, MarksMissing, SigningKeyUnusable
from faceswap.folders import Folders
from faceswap.jobs import Job, isoformat, terms_of
from faceswap.media import aigc_text, write_png
from faceswap.media.manifest import SWAP_ASSERTION
from faceswap.settings import Settings
from faceswap.signing import SigningKey
from faceswap.store import Upload
from faceswap.terms import Terms
from faceswap.uploads import INSPECTION_CPU_S, engine_limits
from faceswap.version import VERSION

R = TypeVar("R")
log = logging.getLogger(__name__)

GENERATOR = "faceswap"
CLASSICAL_ENGINE = "mesh"

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_CAPTURES, _TRAINED = "compositeCapture", "compositeWithTrainedAlgorithmicMedia"
"""A combination of recordings, and one with pixels of a trained model. Source: IPTC NewsCodes."""
_SEALING_LIMIT_S = 300.0
_LOOKING_LIMIT_S = 120.0
_LOOK_S = 0.1


class Verdict(StrEnum):
    """The conclusion from the marks of a file."""

    GENUINE = "genuine"
    """This installation, or one whose certificate was given, made and signed it. Not a bit has changed."""
    SIGNED = "signed"
    """An installation that is not trusted here made and signed it. Not a bit has changed."""
    OTHER = "other"
    """Another program signed the file. The signed parts have not changed."""
    CHANGED = "changed"
    """The file was signed, and it changed afterwards."""
    STRIPPED = "stripped"
    """The file has a label but no readable signature, as after a conversion or a cut."""
    UNMARKED = "unmarked"
    """The file has none of the marks."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a result, as `Provenance.seal` read them back from the file."""

    label: Words | None
    """The words of the visible label; None when the user asked for no visible label."""
    aigc: Mapping[str, str]
    manifest: str
    """The name (URN) of the C2PA manifest."""
    signer: str
    source_type: str
    signed_at: str
    sha256: str
    """SHA-256 in hex of the sealed file, which the user gets."""
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One file that a result was made from: its role, and the SHA-256 of the file as the user sent it. The
    file's name is left out."""

    role: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What the marks of a file say. A text is empty when the marks do not say it."""

    verdict: Verdict
    format: str
    sha256: str
    size_bytes: int
    signer: str = ""
    generator: str = ""
    """The program that signed."""
    made_at: str = ""
    """The time by the signer's clock; ISO 8601."""
    engine: str = ""
    source_type: str = ""
    producer: str = ""
    """Who runs the service, from the metadata label."""
    job: str = ""
    label: Words | None = None
    """The words of the visible label that was found in the picture, or in the first one of a video."""
    label_left_out: bool = False
    """Whether the manifest says that the user asked for no visible label."""
    aigc_count: int = 0
    aigc: Mapping[str, str] | None = None
    ingredients: tuple[Ingredient, ...] = ()
    problems: tuple[str, ...] = ()
    """Status codes of C2PA, and `seal` when a byte changed that C2PA does not cover."""

    @property
    def good(self) -> bool:
        """Whether the file is signed and has not changed since."""
        return self.verdict in (Verdict.GENUINE, Verdict.SIGNED, Verdict.OTHER)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def marking_of(job: Job, settings: Settings) -> Marking:
    """The labels of the job's result, by the job's terms. They are the same on every backend."""
    terms = terms_of(job, settings)
    label = label_of(terms) if job.options.visible_label else None
    return Marking(label, aigc_text(terms.producer, job.id))


def label_of(terms: Terms | Settings) -> Label:
    """The visible label that the terms or settings describe. A preview gets the label of the settings and no
    other mark."""
    return Label(terms.label_words, terms.label_place, terms.label_style, terms.label_opening_s)


def made_by(engine: str | None, weights: Sequence[Mapping[str, object]]) -> str:
    """The manifest's name for what made the pixels: the engine, followed by the enhancer networks that
    repainted them."""
    repainted = [str(file.get("name")) for file in weights if file.get("role") == Role.ENHANCER]
    return "+".join([engine or CLASSICAL_ENGINE, *repainted])


class Provenance:
    """Signs and checks files with one installation's key, which is made on first use. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        folders: Folders,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._folders = folders
        self._now = now

    def seal(
        self,
        job: Job,
        result: Path,
        sealed: Path,
        ingredients: Sequence[Ingredient],
        *,
        engine: str = CLASSICAL_ENGINE,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Marks | None:
        """Sign a fetched result, write it to `sealed`, and read all its marks back.

        The method calls `wanted` repeatedly. When it answers False, the method returns None, and the caller
        removes `sealed`.

        Raises:
            MarksMissing: a mark is missing or wrong.
            SigningKeyUnusable, JobTimeout, EngineCrashed, DiskFull, BadMedia.
        """
        signing = self._key()
        marking, now = marking_of(job, self._settings), self._now()
        spec = SealSpec(
            limits=engine_limits(terms_of(job, self._settings)),
            path=result,
            result=sealed,
            manifest=manifest_of(marking.label, ingredients, engine, now),
            key=signing.key,
            chain=signing.chain,
            anchors=signing.anchor,
            label=marking.label,
        )
        sealing = retried_without_memory(lambda: _asked(spec, _SEALING_LIMIT_S, wanted))
        return None if sealing is None else _require_marks(sealing.marks, marking, now)

    def as_jpeg(self, job: Job, result: Path) -> bytes:
        """Return a sealed picture as JPEG, with the same labels and statements, signed anew.

        Raises: as `seal`; BadMedia when it is no picture.
        """
        said = self.verify(result)
        with tempfile.TemporaryDirectory(prefix="faceswap-jpeg-") as folder:
            jpeg = Path(folder) / "result.jpg"
            self.seal(job, result, jpeg, said.ingredients, engine=said.engine)
            return jpeg.read_bytes()

    def require_key(self) -> None:
        """Check the signing key at the start, so that an unusable key does not fail the first finished job.

        A key from the settings signs a small picture, which takes about a second. A key that this
        installation made is only read.

        Raises: SigningKeyUnusable.
        """
        given = self._settings.signing_key.get_secret_value() or self._settings.signing_cert
        if not given and not self._folders.signing.exists():
            return
        signing = self._key()
        if not given:
            return
        with tempfile.TemporaryDirectory(prefix="faceswap-key-") as folder:
            picture, now = Path(folder) / "picture.png", self._now()
            write_png(picture, np.zeros((64, 64, 3), np.uint8))
            spec = SealSpec(
                limits=engine_limits(self._settings),
                path=picture,
                result=picture.with_name("signed.png"),
                manifest=manifest_of(None, (Ingredient("target", "0" * 64),), CLASSICAL_ENGINE, now),
                key=signing.key,
                chain=signing.chain,
                anchors=signing.anchor,
                label=None,
            )
            try:
                sealing = _asked(spec, _LOOKING_LIMIT_S)
            except FaceSwapError as error:
                log.error("the signing key signed nothing: %s", error)
                raise SigningKeyUnusable(reason="nothing could be signed with it") from error
        manifest = sealing.marks.manifest if sealing else None
        if manifest is None or not (manifest.valid and manifest.trusted):
            raise SigningKeyUnusable(reason="its certificate does not fit C2PA: signatures are invalid")

    def verify(self, path: Path, anchors: str = "") -> Verification:
        """Read the marks of a file and say what they mean.

        `anchors` holds the certificates, in PEM, of other installations that the caller trusts.

        Raises: BadMedia when the file is no picture and no video; EngineCrashed, JobTimeout.
        """
        own = SigningKey.anchor_of(self._folders.signing, self._settings.signing_cert)
        spec = MarksSpec(
            limits=engine_limits(self._settings, 2 * INSPECTION_CPU_S),
            path=path.absolute(),
            anchors=own + anchors,
        )
        looking = retried_without_memory(lambda: _asked(spec, _LOOKING_LIMIT_S))
        assert looking  # None only when `wanted` answers False, and none is given
        return judged(looking.marks)

    def _key(self) -> SigningKey:
        return SigningKey.load(
            self._folders.signing,
            self._settings.signing_key.get_secret_value(),
            self._settings.signing_cert,
        )


def verify(path: Path | str, settings: Settings | None = None, anchors: str = "") -> Verification:
    """Read from a file's marks who made it, when and with what, and whether it has changed.

    Raises: as `Provenance.verify`; BadMedia when there is no such file.
    """
    settings, path = settings or Settings(), Path(path)
    if not path.is_file():
        raise BadMedia()
    return Provenance(settings, Folders(settings.data_dir)).verify(path, anchors)


def ingredients_of(sources: Mapping[str, Upload], target: Upload) -> tuple[Ingredient, ...]:
    """The ingredients of a job: its target, then its sources in the order of the target's face ids."""
    return (
        Ingredient("target", target.sha256),
        *(Ingredient("source", upload.sha256) for _, upload in sorted(sources.items())),
    )


def judged(found: FoundMarks) -> Verification:
    """Say what the marks of a file mean.

    Raises: BadMedia when the file has no manifest and cannot be decoded.
    """
    manifest, aigc = found.manifest, found.aigc.fields
    if manifest is None and not found.readable:
        raise BadMedia()
    known = Verification(
        verdict=_verdict(found),
        format=found.format,
        sha256=found.sha256,
        size_bytes=found.size_bytes,
        producer=aigc["ContentProducer"] if aigc else "",
        job=aigc["ProduceID"] if aigc else "",
        label=found.label.label.words if found.label else None,
        aigc_count=found.aigc.count,
        aigc=aigc,
    )
    if manifest is None:
        return known
    seal = ("seal",) if manifest.swap and not manifest.sealed else ()
    return replace(
        known,
        signer=manifest.signer,
        generator=manifest.generator,
        made_at=manifest.when,
        engine=str(manifest.swap.get("engine") or ""),
        source_type=manifest.source_type,
        label_left_out=bool(manifest.swap) and manifest.swap.get("label") is None,
        ingredients=_ingredients(manifest.swap.get("ingredients")),
        problems=(*manifest.problems, *seal),
    )


def _verdict(found: FoundMarks) -> Verdict:
    manifest = found.manifest
    if manifest is None:
        return Verdict.STRIPPED if found.aigc.count or found.label else Verdict.UNMARKED
    ours = bool(manifest.swap)
    if not manifest.valid or (ours and not manifest.sealed):
        return Verdict.CHANGED
    if not ours:
        return Verdict.OTHER
    return Verdict.GENUINE if manifest.trusted else Verdict.SIGNED


def _ingredients(said: object) -> tuple[Ingredient, ...]:
    listed = cast("list[object]", said) if isinstance(said, list) else []
    fields = [cast("dict[str, object]", each) for each in listed if isinstance(each, dict)]
    return tuple(Ingredient(str(each.get("role")), str(each.get("sha256"))) for each in fields)


def manifest_of(
    label: Label | None, ingredients: Sequence[Ingredient], engine: str, now: datetime
) -> dict[str, object]:
    """The definition of a C2PA manifest. It says what was done and names no person."""
    when = (isoformat(now) or "").partition(".")[0] + "Z"
    agent = {"name": f"{GENERATOR} {engine}", "version": VERSION}
    source_type = _CAPTURES if engine == CLASSICAL_ENGINE else _TRAINED
    names = [f"{each.role}-{number}" for number, each in enumerate(ingredients)]
    return {
        "claim_generator_info": [{"name": GENERATOR, "version": VERSION}],
        "ingredients": [
            {
                "title": each.role,
                "label": name,
                "instance_id": f"urn:sha256:{each.sha256}",
                "relationship": "componentOf",
            }
            for name, each in zip(names, ingredients, strict=True)
        ],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {
                            "action": "c2pa.created",
                            "digitalSourceType": _SOURCE_TYPES + source_type,
                            "softwareAgent": agent,
                            "when": when,
                        },
                        {"action": "c2pa.placed", "parameters": {"ingredientIds": names}},
                    ]
                },
            },
            {
                "label": SWAP_ASSERTION,
                "data": {
                    "engine": engine,
                    "ingredients": [asdict(each) for each in ingredients],
                    "label": asdict(label) if label else None,
                },
            },
        ],
    }


def _asked(spec: Spec[R], limit_s: float, wanted: Callable[[], bool] = lambda: True) -> R | None:
    """Run one child process and return its result. Returns None when `wanted` answers False meanwhile.

    Raises: JobTimeout after `limit_s`; the child's own error.
    """
    child = EngineProcess(spec)
    try:
        waited_s = 0.0
        while not child.join(_LOOK_S):
            waited_s += _LOOK_S
            if not wanted():
                return None
            if waited_s >= limit_s:
                raise JobTimeout(limit_s=limit_s)
        report = child.poll()
    finally:
        child.kill()
    return report.result_or_raise()


def _require_marks(found: FoundMarks, marking: Marking, now: datetime) -> Marks:
    """Return the marks of a sealed file. Raises: MarksMissing when one of them is missing or wrong."""
    manifest, aigc = found.manifest, found.aigc
    if aigc.count != 1 or aigc.text != marking.aigc or aigc.fields is None:
        raise MarksMissing(mark="metadata label")
    if manifest is None or not (manifest.valid and manifest.trusted and manifest.sealed):
        raise MarksMissing(mark="signature")
    if marking.label and not found.label:
        raise MarksMissing(mark="visible label")
    return Marks(
        label=marking.label.words if marking.label else None,
        aigc=aigc.fields,
        manifest=manifest.urn,
        signer=manifest.signer,
        source_type=manifest.source_type,
        signed_at=isoformat(now) or "",
        sha256=found.sha256,
        size_bytes=found.size_bytes,
    )
