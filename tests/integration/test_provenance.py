"""What the app decides about marks. The files are small and made without a swap; see also `test_marks.py`."""

from __future__ import annotations

import random
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image, PngImagePlugin

from faceswap.engine.marks.label import LabelLook, opening_stamp, short_stamp
from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.marks.seal import read_marks
from faceswap.errors import BadMedia, MarksMissing, SigningKeyUnusable
from faceswap.folders import Folders
from faceswap.media import VideoReader, aigc_text, read_aigc, write_png, xmp_packet
from faceswap.media.manifest import is_sealed, read_manifest
from faceswap.provenance import Ingredient, Provenance, Verdict, judged, marking_of, verify
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.signing import SigningKey
from faceswap.terms import Terms
from tests.factories import make_job
from tests.marked import INGREDIENTS, LIMITS, mark_video, marked, marked_picture, plain_video, sealed

KINDS = ["mp4", "png", "jpg"]
FLIPS = 1000
MARKING = Marking(Label(), aigc_text("a service", "a-job"))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load(tmp_path_factory.mktemp("key") / "signing")


@pytest.fixture
def make(key: SigningKey, tmp_path: Path) -> Callable[..., Path]:
    """`make("png")` makes a small result with all its marks."""

    def make(kind: str, marking: Marking = MARKING, **options: str) -> Path:
        return sealed(marked(tmp_path / f"result.{kind}", marking), key, marking.label, **options)[0]

    return make


def verdict(path: Path, anchor: str) -> Verdict | None:
    """Return the verdict on a file, or None when the file cannot be read at all."""
    try:
        return judged(read_marks(path, anchor, LIMITS)).verdict
    except BadMedia:
        return None


@pytest.mark.parametrize("kind", KINDS)
class TestEachKindOfFile:
    def test_it_has_all_marks_and_they_say_what_was_done(
        self, kind: str, make: Callable[..., Path], key: SigningKey
    ) -> None:
        found = judged(read_marks(make(kind), key.anchor, LIMITS))
        assert found.verdict is Verdict.GENUINE
        assert (found.aigc_count, found.producer, found.job) == (1, "a service", "a-job")
        assert found.aigc is not None
        assert found.aigc["Label"] == "1"
        assert (found.label, found.label_left_out) == ("both", False)
        assert (found.generator, found.engine, found.source_type) == ("faceswap", "mesh", "compositeCapture")
        assert found.ingredients == INGREDIENTS
        assert found.made_at == "2026-06-01T12:00:00Z"
        assert found.signer.startswith("faceswap ")
        assert found.problems == ()

    @pytest.mark.long
    def test_no_byte_is_outside_the_seal(self, kind: str, make: Callable[..., Path], tmp_path: Path) -> None:
        """C2PA leaves about a thousand bytes of a small file uncovered: framing, padding, `ftyp`."""
        content = bytearray(make(kind).read_bytes())
        changed = tmp_path / f"changed.{kind}"
        for place in range(len(content)):
            content[place] ^= 1
            changed.write_bytes(content)
            assert is_sealed(changed) is not True, place
            content[place] ^= 1

    def test_more_or_fewer_bytes_show(self, kind: str, make: Callable[..., Path], key: SigningKey) -> None:
        path = make(kind)
        content = path.read_bytes()
        for other in (content + b"\0", content[:-1], content[: len(content) // 2]):
            path.write_bytes(other)
            assert verdict(path, key.anchor) in (Verdict.CHANGED, Verdict.STRIPPED, None)

    def test_to_who_does_not_vouch_for_the_signer_it_is_unchanged_and_no_more(
        self, kind: str, make: Callable[..., Path]
    ) -> None:
        assert verdict(make(kind), "") is Verdict.SIGNED

    def test_without_the_label_the_manifest_says_so(
        self, kind: str, make: Callable[..., Path], key: SigningKey
    ) -> None:
        found = judged(read_marks(make(kind, replace(MARKING, label=None)), key.anchor, LIMITS))
        assert (found.verdict, found.label, found.label_left_out) == (Verdict.GENUINE, None, True)
        assert found.aigc_count == 1

    def test_it_names_nobody_and_shows_no_face(
        self, kind: str, make: Callable[..., Path], key: SigningKey
    ) -> None:
        content = make(kind).read_bytes()
        manifest = read_manifest(make(kind), key.anchor)
        assert manifest is not None
        assert b"thumbnail" not in content
        assert b"result." not in content

    def test_a_trained_engine_is_called_one(
        self, kind: str, make: Callable[..., Path], key: SigningKey
    ) -> None:
        found = judged(read_marks(make(kind, engine="neural"), key.anchor, LIMITS))
        assert (found.engine, found.source_type) == ("neural", "compositeWithTrainedAlgorithmicMedia")


@pytest.mark.long
def test_every_changed_bit_of_a_jpeg_shows(
    make: Callable[..., Path], key: SigningKey, tmp_path: Path
) -> None:
    content = bytearray(make("jpg").read_bytes())
    chance = random.Random(5)
    missed: list[int] = []
    changed = tmp_path / "changed.jpg"
    for _ in range(FLIPS):
        bit = chance.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        changed.write_bytes(content)
        if verdict(changed, key.anchor) not in (Verdict.CHANGED, Verdict.STRIPPED, None):
            missed.append(bit)
        content[bit // 8] ^= 1 << bit % 8
    assert missed == []
    changed.write_bytes(content)
    assert verdict(changed, key.anchor) is Verdict.GENUINE


def test_a_damaged_word_of_the_manifest_is_a_change_and_no_error(
    make: Callable[..., Path], key: SigningKey
) -> None:
    path = make("png")
    path.write_bytes(path.read_bytes().replace(b"bottom-right", b"bottom-rjght"))
    assert verdict(path, key.anchor) is Verdict.CHANGED


class TestStripped:
    @pytest.mark.parametrize("keeps_metadata", [False, True])
    def test_a_stream_copy(
        self, make: Callable[..., Path], key: SigningKey, tmp_path: Path, keeps_metadata: bool
    ) -> None:
        copy = tmp_path / "copy.mp4"
        options = {"movflags": "use_metadata_tags"} if keeps_metadata else {}
        with av.open(str(make("mp4"))) as clip, av.open(str(copy), "w", options=options) as out:
            if keeps_metadata:
                out.metadata.update(clip.metadata)
            stream = out.add_stream_from_template(clip.streams.video[0])
            for packet in clip.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
        found = judged(read_marks(copy, key.anchor, LIMITS))
        assert (found.verdict, found.label) == (Verdict.STRIPPED, "both")
        assert found.aigc_count == int(keeps_metadata)


class TestTheMetadataLabel:
    def test_two_of_them_are_counted(self, tmp_path: Path) -> None:
        path = marked_picture(tmp_path / "two.png", (64, 64), MARKING)
        packet = xmp_packet(MARKING.aigc)
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", packet)
        chunks.add_itxt("XML:com.adobe.xmp", packet)
        with Image.open(path) as picture:
            picture.save(tmp_path / "twice.png", pnginfo=chunks)
        assert read_aigc(path, LIMITS).count == 1
        assert read_aigc(tmp_path / "twice.png", LIMITS).count == 2

    def test_it_takes_any_name_of_a_service(self, tmp_path: Path) -> None:
        marking = Marking(Label(), aigc_text('某某 & "服务" <一>', "x"))
        for kind in KINDS:
            found = read_aigc(marked(tmp_path / f"named.{kind}", marking), LIMITS)
            assert (found.count, found.text) == (1, marking.aigc)
            assert found.fields is not None
            assert found.fields["ContentProducer"] == '某某 & "服务" <一>'

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"Label":"1"}', "3", "{" * 9])
    def test_another_form_is_none(self, tmp_path: Path, text: str) -> None:
        write_png(tmp_path / "odd.png", np.zeros((8, 8, 3), np.uint8), text)
        assert read_aigc(tmp_path / "odd.png", LIMITS).fields is None


def ink_px(
    frame: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], box: tuple[slice, slice]
) -> tuple[int, int]:
    """Return the height in px of the Chinese line and of the capital A, from bright pixels in (H, W) luma."""
    bright = (frame[box] > 175).astype(np.uint8)
    lines = np.flatnonzero(np.diff(np.concatenate([[0], bright.any(1).astype(int), [0]])))
    first, second = (slice(*lines[at : at + 2]) for at in (0, 2))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(bright[second])
    leftmost = min(range(1, count), key=lambda each: boxes[each][cv2.CC_STAT_LEFT])
    return first.stop - first.start, int(boxes[leftmost][cv2.CC_STAT_HEIGHT])


@pytest.mark.parametrize(
    ("size", "rotation"),
    [
        ((426, 240), 0),
        ((640, 360), 0),
        ((1280, 720), 0),
        ((1920, 1080), 0),
        ((3840, 2160), 0),
        ((720, 1280), 0),
        ((1280, 720), 90),
        ((1280, 720), 270),
        ((640, 480), 180),
        ((427, 241), 0),
    ],
)
@pytest.mark.parametrize("crf", [20, 36])
def test_the_letters_of_decoded_frames_have_a_twentieth_of_the_short_side(
    size: tuple[int, int], rotation: int, crf: int, tmp_path: Path
) -> None:
    plain = plain_video(tmp_path / "plain.mkv", size, 2)
    if rotation:
        plain = plain_video(tmp_path / "plain.mov", size, 2, rotation=rotation)
    result = mark_video(plain, tmp_path / "result.mp4", MARKING, crf)
    with VideoReader(result, LIMITS) as reader:
        luma = next(reader.frames()).planes()[0].copy()
        assert reader.rotation == rotation
    shown = np.rot90(luma, rotation // 90)
    stamp = opening_stamp(Label(), LabelLook(shown.shape[1], shown.shape[0]))
    chinese, capital = ink_px(shown, stamp.box)
    short = min(shown.shape)
    assert capital >= 0.05 * short, capital / short
    assert chinese >= 0.05 * short, chinese / short
    assert capital < 0.07 * short
    rows, columns = stamp.box
    assert rows.stop > shown.shape[0] * 0.9
    assert columns.stop > shown.shape[1] * 0.9


def test_all_words_stay_for_two_seconds_and_the_mark_to_the_end(tmp_path: Path) -> None:
    plain = plain_video(tmp_path / "plain.mkv", (320, 240), 45, fps=10)
    result = mark_video(plain, tmp_path / "result.mp4", Marking(Label(opening_s=2), MARKING.aigc), 30)
    shown = LabelLook(320, 240)
    opening, mark = opening_stamp(Label(), shown), short_stamp(Label(), shown)
    with VideoReader(result, LIMITS) as reader:
        seen = [
            (frame.time_s, opening.likeness(frame.planes()[0]), mark.likeness(frame.planes()[0]))
            for frame in reader.frames()
        ]
    assert len(seen) == 45
    assert min(words for time_s, words, _ in seen if time_s < 1.99) > 0.9
    assert min(short for time_s, _, short in seen if time_s > 2.01) > 0.9


@pytest.mark.engine
class TestSealing:
    """The tests seal through the child process, as the app does."""

    @pytest.fixture
    def provenance(self, tmp_path: Path) -> Provenance:
        settings = Settings(data_dir=tmp_path / "data")
        return Provenance(settings, Folders(settings.data_dir))

    def settings(self, tmp_path: Path, **changes: object) -> Settings:
        return Settings(data_dir=tmp_path / "data", **changes)

    @pytest.mark.parametrize("kind", ["mp4", "png"])
    def test_a_result_gets_its_signature_and_is_read_back(
        self, kind: str, provenance: Provenance, tmp_path: Path
    ) -> None:
        job = make_job()
        fetched = marked(tmp_path / f"fetched.{kind}", marking_of(job, self.settings(tmp_path)))
        result = tmp_path / f"result.{kind}"
        marks = provenance.seal(job, fetched, result, INGREDIENTS)
        assert marks is not None
        assert (marks.label, marks.aigc["ProduceID"]) == ("both", job.id)
        assert marks.size_bytes == result.stat().st_size
        found = verify(result, self.settings(tmp_path))
        assert (found.verdict, found.sha256, found.job) == (Verdict.GENUINE, marks.sha256, job.id)
        stranger = Settings(data_dir=tmp_path / "elsewhere")
        assert verify(result, stranger).verdict is Verdict.SIGNED
        assert not (tmp_path / "elsewhere").exists(), "looking makes no key"
        anchor = (tmp_path / "data" / "signing" / "ca.pem").read_text()
        assert verify(result, stranger, anchor).verdict is Verdict.GENUINE

    def test_a_result_is_sealed_with_the_marks_that_were_promised_whatever_the_settings_say_now(
        self, tmp_path: Path
    ) -> None:
        then = self.settings(tmp_path, producer="an early name", label_words="zh", label_style="outline")
        now = self.settings(tmp_path, producer="a new name", label_words="en", label_place="top-left")
        job = make_job(terms=Terms.of(then))
        fetched = marked(tmp_path / "fetched.png", marking_of(job, then))
        sealed = tmp_path / "result.png"
        marks = Provenance(now, Folders(now.data_dir)).seal(job, fetched, sealed, INGREDIENTS)
        assert marks is not None
        assert (marks.label, marks.aigc["ContentProducer"]) == ("zh", "an early name")

    @pytest.mark.parametrize("lacks", ["visible label", "metadata label", "its own metadata label"])
    def test_what_lacks_a_mark_is_not_handed_out(
        self, lacks: str, provenance: Provenance, tmp_path: Path
    ) -> None:
        job = make_job()
        marking = marking_of(job, self.settings(tmp_path))
        fetched, label = tmp_path / "fetched.png", marking.label
        match lacks:
            case "visible label":
                marked(fetched, replace(marking, label=None))
            case "metadata label":
                write_png(fetched, np.full((64, 64, 3), 90, np.uint8))
            case _:
                marked(fetched, Marking(label, aigc_text("somebody else", "another job")))
        with pytest.raises(MarksMissing) as raised:
            provenance.seal(job, fetched, tmp_path / "result.png", INGREDIENTS)
        assert str(raised.value.details["mark"]) in lacks

    def test_who_asked_for_no_label_gets_none(self, provenance: Provenance, tmp_path: Path) -> None:
        options = make_job().options.model_copy(update={"visible_label": False})
        job = make_job(options=options)
        fetched = marked(tmp_path / "fetched.png", marking_of(job, self.settings(tmp_path)))
        marks = provenance.seal(job, fetched, tmp_path / "result.png", INGREDIENTS)
        assert marks is not None
        assert marks.label is None

    def test_it_ends_when_it_is_not_wanted_any_more(self, provenance: Provenance, tmp_path: Path) -> None:
        size = (5000, 5000)  # Sealing such a picture takes longer than the time to the first look.
        job = make_job()
        fetched = marked(tmp_path / "fetched.png", marking_of(job, self.settings(tmp_path)), size)
        result = tmp_path / "result.png"
        assert provenance.seal(job, fetched, result, INGREDIENTS, wanted=lambda: False) is None

    @pytest.mark.parametrize(
        "content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypmp42" + bytes(40)]
    )
    def test_what_is_no_media_is_refused(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "odd").write_bytes(content)
        with pytest.raises(BadMedia):
            verify(tmp_path / "odd", self.settings(tmp_path))
        with pytest.raises(BadMedia):
            verify(tmp_path / "not there", self.settings(tmp_path))


class TestTheKey:
    def test_it_is_made_once_for_its_owner_only(self, tmp_path: Path) -> None:
        folder = tmp_path / "data" / "signing"
        made = SigningKey.load(folder)
        assert SigningKey.load(folder) == made
        assert {path.name for path in folder.iterdir()} == {"key.pem", "chain.pem", "ca.pem"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)} == {0o700}
        assert made.key not in repr(made)
        assert [path.name for path in folder.parent.iterdir()] == ["signing"]

    def test_one_that_is_given_is_used_with_any_line_breaks(self, key: SigningKey, tmp_path: Path) -> None:
        for break_ in ("\n", "\\n"):
            given = [text.replace("\n", break_) for text in (key.key, key.chain)]
            loaded = SigningKey.load(tmp_path / "signing", *given)
            assert (loaded.key.strip(), loaded.anchor.strip()) == (key.key.strip(), key.anchor.strip())
            assert SigningKey.anchor_of(tmp_path / "signing", given[1]).strip() == key.anchor.strip()
        assert not (tmp_path / "signing").exists()

    def test_one_that_cannot_sign_is_refused(self, key: SigningKey, tmp_path: Path) -> None:
        other = SigningKey.load(tmp_path / "other")
        for text, chain in ((key.key, other.chain), ("", key.chain), (key.key, ""), ("x", "y")):
            with pytest.raises(SigningKeyUnusable):
                SigningKey.load(tmp_path / "signing", text, chain)
        (tmp_path / "other" / "key.pem").write_text("damaged")
        with pytest.raises(SigningKeyUnusable):
            SigningKey.load(tmp_path / "other")

    @pytest.mark.engine
    def test_one_whose_certificate_does_not_fit_is_found_at_the_start(
        self, key: SigningKey, tmp_path: Path
    ) -> None:
        good = Settings(data_dir=tmp_path / "data", signing_key=key.key, signing_cert=key.chain)
        Provenance(good, Folders(good.data_dir)).require_key()
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "for a web server")])
        moment = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(1)
            .not_valid_before(moment - timedelta(days=1))
            .not_valid_after(moment + timedelta(days=9))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(private, hashes.SHA256())
        )
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        chain = certificate.public_bytes(Encoding.PEM).decode()
        bad = Settings(data_dir=tmp_path / "other", signing_key=pem, signing_cert=chain)
        with pytest.raises(SigningKeyUnusable):
            Service(bad)
        with Service(bad, dispatch=False) as service:
            assert service.history() == [], "what signs nothing needs no key"

    def test_the_engine_gets_it_from_no_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from faceswap.engine.child.process import _environment

        secrets = ("FACESWAP_SIGNING_KEY", "RUNPOD_API_KEY", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "X")
        for name in secrets:
            monkeypatch.setenv(name, "secret")
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        passed = _environment()
        assert "secret" not in passed.values()
        assert passed["OMP_NUM_THREADS"] == "2"
        assert passed["PATH"]


def test_ingredients_have_a_role_and_a_hash_only() -> None:
    assert Ingredient.__slots__ == ("role", "sha256")
