"""Untrusted pictures and videos are checked and decoded."""

import io
import random
import struct
import zipfile
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageCms

from faceswap.errors import BadMedia, EmptyFile, TooLong, TooManyPixels, UnsupportedMedia
from faceswap.media import (
    Frame,
    Limits,
    VideoReader,
    VideoWriter,
    picture_info,
    read_picture,
    sniff,
    write_png,
)

LIMITS = Limits()
RED_LEFT = np.zeros((20, 40, 3), np.uint8)
RED_LEFT[:, :20] = (250, 10, 10)
RED_LEFT[:, 20:] = (10, 10, 250)


def saved(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def video_error(path: Path, limits: Limits = LIMITS) -> type[Exception]:
    with pytest.raises(BadMedia) as raised, VideoReader(path, limits) as reader:
        reader.info()
    return type(raised.value)


class TestSniffing:
    @pytest.mark.parametrize(("format", "name"), [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp")])
    def test_pictures_are_known_whatever_their_name(self, tmp_path: Path, format: str, name: str) -> None:
        path = saved(tmp_path / "clip.mp4", Image.fromarray(RED_LEFT), format=format)
        assert sniff(path) == ("image", name)

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("fixture", "name"),
        [
            ("face_video", "mp4"),
            ("rotated_video", "mov"),
            ("odd_video", "mkv"),
            ("webm_video", "webm"),
            ("avi_video", "avi"),
        ],
    )
    def test_videos_are_known_by_their_container(
        self, fixture: str, name: str, request: pytest.FixtureRequest
    ) -> None:
        assert sniff(request.getfixturevalue(fixture)) == ("video", name)

    @pytest.mark.parametrize(
        "content",
        [
            b"ffconcat version 1.0\nfile victim.mp4\n",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1/x.ts\n",
            b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
            b"GIF90a" + bytes(40),
            b"%PDF-1.7\n",
            b"\x00\x00\x00\x1cftypmif1" + bytes(40),
            b"BM, a text",
            b"\x00",
        ],
        ids=[
            "ffconcat",
            "m3u8",
            "svg",
            "gif of no version",
            "pdf",
            "still of no codec",
            "bmp of no header",
            "zero",
        ],
    )
    def test_anything_else_is_unsupported(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "evil.mp4"
        path.write_bytes(content)
        with pytest.raises(UnsupportedMedia):
            sniff(path)

    def test_a_zip_is_unsupported(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "portrait.png", "w") as archive:
            archive.writestr("portrait.png", b"x")
        with pytest.raises(UnsupportedMedia):
            read_picture(tmp_path / "portrait.png", LIMITS)

    def test_an_empty_file_is_called_empty(self, tmp_path: Path) -> None:
        (tmp_path / "empty.png").touch()
        with pytest.raises(EmptyFile):
            sniff(tmp_path / "empty.png")


class TestPictures:
    def test_orientation_is_applied(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # The player turns it clockwise by 90 degrees.
        path = saved(tmp_path / "a.jpg", Image.fromarray(RED_LEFT), format="JPEG", exif=exif, quality=95)
        info, picture = picture_info(path, LIMITS), read_picture(path, LIMITS)
        assert (info.width, info.height) == (20, 40)
        assert picture.shape == (40, 20, 3)
        assert picture[5, 10, 0] > 200 > 60 > picture[35, 10, 0]

    def test_transparency_lies_on_white(self, tmp_path: Path) -> None:
        layer = np.dstack([RED_LEFT, np.where(np.arange(40) < 20, 255, 0) * np.ones((20, 1))]).astype(
            np.uint8
        )
        picture = read_picture(saved(tmp_path / "a.png", Image.fromarray(layer)), LIMITS)
        assert picture[0, 0].tolist() == [250, 10, 10]
        assert picture[0, 39].tolist() == [255, 255, 255]

    def test_sixteen_bits_become_eight(self, tmp_path: Path) -> None:
        deep = np.full((8, 8), 200 * 256, np.uint16)
        picture = read_picture(saved(tmp_path / "a.png", Image.fromarray(deep)), LIMITS)
        assert picture.dtype == np.uint8
        assert (picture == 200).all()

    def test_print_colours_become_rgb(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.jpg", Image.fromarray(RED_LEFT).convert("CMYK"), format="JPEG", quality=95)
        picture = read_picture(path, LIMITS)
        assert picture[10, 5, 0] > 200 > 80 > picture[10, 5, 2]

    def test_an_embedded_profile_is_applied(self, tmp_path: Path) -> None:
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        path = saved(tmp_path / "a.png", Image.fromarray(RED_LEFT), icc_profile=lab)
        assert np.abs(read_picture(path, LIMITS).astype(int) - RED_LEFT).max() <= 1

    def test_a_broken_profile_is_ignored(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.png", Image.fromarray(RED_LEFT), icc_profile=b"no profile")
        assert (read_picture(path, LIMITS) == RED_LEFT).all()

    def test_written_pictures_are_exact_and_bare(self, tmp_path: Path) -> None:
        write_png(tmp_path / "a.part", RED_LEFT)
        with Image.open(tmp_path / "a.part") as image:
            assert image.format == "PNG"
            assert image.info == {}
        assert (read_picture(tmp_path / "a.part", LIMITS) == RED_LEFT).all()

    def test_a_bomb_is_refused_by_its_header(self, tmp_path: Path) -> None:
        header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
        chunk = b"IHDR" + header
        png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / "bomb.png").write_bytes(png + struct.pack(">I", 0) + b"IDAT")
        with pytest.raises(TooManyPixels) as raised:
            read_picture(tmp_path / "bomb.png", LIMITS)
        assert raised.value.details == {"width": 12_000, "height": 12_000, "limit_megapixels": 50.0}

    def test_the_limit_is_the_one_given(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.png", Image.fromarray(RED_LEFT))
        with pytest.raises(TooManyPixels):
            read_picture(path, Limits(max_megapixels=0.0005))

    def test_a_cut_off_picture_is_bad(self, portrait: Path, other_portrait: Path, tmp_path: Path) -> None:
        for whole in (portrait, other_portrait):
            path = tmp_path / whole.name
            path.write_bytes(whole.read_bytes()[:20_000])
            with pytest.raises(BadMedia):
                read_picture(path, LIMITS)

    def test_a_video_is_no_picture(self, puppet_video: Path) -> None:
        with pytest.raises(UnsupportedMedia):
            read_picture(puppet_video, LIMITS)

    def test_mangled_pictures_are_read_or_bad(self, tmp_path: Path) -> None:
        rng = random.Random(0)
        path = tmp_path / "mutant"
        for format in ("PNG", "JPEG", "WEBP"):
            buffer = io.BytesIO()
            Image.fromarray(RED_LEFT).save(buffer, format=format)
            for _ in range(300):
                path.write_bytes(mangled(buffer.getvalue(), rng))
                try:
                    picture = read_picture(path, LIMITS)
                except BadMedia:
                    continue
                assert picture.ndim == 3


def mangled(content: bytes, rng: random.Random) -> bytes:
    """Return the file with a few bytes changed, or without its end."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.randrange(1, len(data))] if rng.random() < 0.3 else data)


class TestReadingVideos:
    def test_the_header_is_told(self, face_video: Path) -> None:
        with VideoReader(face_video, LIMITS) as reader:
            info = reader.info()
        assert (info.format, info.width, info.height) == ("mp4", 640, 360)
        assert (info.frames, info.fps, info.has_audio, info.rotation) == (72, 30, True, 0)
        assert info.duration_s == pytest.approx(2.4)

    def test_a_turned_video_is_told_as_shown(self, rotated_video: Path) -> None:
        with VideoReader(rotated_video, LIMITS) as reader:
            info = reader.info()
        assert (info.width, info.height, info.rotation) == (640, 360, 90)

    def test_every_frame_is_read(self, entering_video: Path) -> None:
        with VideoReader(entering_video, LIMITS) as reader:
            items = list(reader)
        frames = [item for item in items if isinstance(item, Frame)]
        assert len(frames) == 169
        assert len(items) - len(frames) == 172

    def test_odd_sides_lose_their_last_row_and_column(self, odd_video: Path) -> None:
        with VideoReader(odd_video, LIMITS) as reader:
            frame = next(reader.frames())
        with av.open(str(odd_video)) as clip:
            whole = next(clip.decode(video=0)).to_ndarray(format="gray")
        assert [plane.shape for plane in frame.planes()] == [(180, 320), (90, 160), (90, 160)]
        with av.open(str(odd_video)) as clip:
            luma = next(clip.decode(video=0)).to_ndarray(channel_last=False)[0]
        assert whole.shape == luma.shape == (181, 321)
        assert (frame.planes()[0] == luma[:180, :320]).all()

    def test_ten_bits_become_eight_and_are_reported(self, ten_bit_video: Path) -> None:
        with VideoReader(ten_bit_video, LIMITS) as reader:
            assert reader.depth_lost
            frame = next(reader.frames())
        assert frame.video.format.name == "yuv420p"

    def test_planes_are_views_of_the_frame(self, puppet_video: Path) -> None:
        with VideoReader(puppet_video, LIMITS) as reader:
            frame = next(reader.frames())
        frame.make_writable()
        frame.planes()[0][100:110, 100:110] = 7
        assert (frame.video.to_ndarray(format="gray")[102:108, 102:108] <= 7).all()

    def test_too_long_is_refused_by_its_header(self, puppet_video: Path) -> None:
        assert video_error(puppet_video, Limits(max_duration_s=2)) is TooLong

    def test_too_large_frames_are_refused_by_the_header(self, puppet_video: Path) -> None:
        assert video_error(puppet_video, Limits(max_video_megapixels=0.2)) is TooManyPixels

    def test_a_picture_is_no_video(self, portrait: Path) -> None:
        assert video_error(portrait) is UnsupportedMedia

    def test_sound_alone_is_no_video(self, tmp_path: Path) -> None:
        path = tmp_path / "sound.mp4"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("aac", rate=48_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 48_000
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        assert video_error(path) is UnsupportedMedia

    def test_a_cut_off_video_is_bad(self, face_video: Path, webm_video: Path, tmp_path: Path) -> None:
        path = tmp_path / "cut"
        path.write_bytes(face_video.read_bytes()[:100_000])
        assert video_error(path) is BadMedia
        path.write_bytes(webm_video.read_bytes()[:300])
        assert issubclass(video_error(path), BadMedia)

    @pytest.mark.parametrize("name", ["evil.mp4", "evil.ffconcat"])
    def test_a_script_never_opens_its_neighbour(self, puppet_video: Path, tmp_path: Path, name: str) -> None:
        (tmp_path / "victim.mp4").write_bytes(puppet_video.read_bytes())
        path = tmp_path / name
        path.write_text("ffconcat version 1.0\nfile victim.mp4\n")
        assert video_error(path) is UnsupportedMedia

    def test_the_demuxer_refuses_what_the_signature_let_through(
        self, puppet_video: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "evil.mp4"
        path.write_bytes(b"\x00\x00\x00\x08wide\n#EXTM3U\nhttp://127.0.0.1/x.ts\n" + bytes(100))
        assert video_error(path) is BadMedia

    @pytest.mark.long
    def test_mangled_videos_are_read_or_bad(self, silent_video: Path, tmp_path: Path) -> None:
        rng = random.Random(0)
        content = silent_video.read_bytes()
        path = tmp_path / "mutant"
        for _ in range(120):
            path.write_bytes(mangled(content, rng))
            try:
                with VideoReader(path, Limits(max_video_megapixels=1)) as reader:
                    for _ in reader:
                        pass
            except BadMedia:
                continue


class TestWritingVideos:
    def copied(self, source: Path, target: Path) -> VideoReader:
        with VideoReader(source, LIMITS) as reader, VideoWriter(target, reader) as writer:
            for item in reader:
                if isinstance(item, Frame):
                    writer.write(item)
                else:
                    writer.write_audio(item)
            writer.close()
        return reader

    def test_the_index_comes_first(self, silent_video: Path, tmp_path: Path) -> None:
        self.copied(silent_video, tmp_path / "a.mp4")
        content = (tmp_path / "a.mp4").read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")

    def test_colour_tags_are_kept(self, silent_video: Path, tmp_path: Path) -> None:
        tagged = tmp_path / "tagged.mp4"
        with av.open(str(silent_video)) as clip, av.open(str(tagged), "w") as out:
            stream = out.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = 640, 360, "yuvj420p"
            codec = stream.codec_context
            codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc = 2, 1, 1, 1
            frame = next(clip.decode(video=0)).reformat(format="yuvj420p")
            frame.color_range, frame.colorspace = 2, 1
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        reader = self.copied(tagged, tmp_path / "a.mp4")
        assert reader.colour.full_range
        assert reader.colour.matrix == "bt709"
        with av.open(str(tmp_path / "a.mp4")) as clip:
            codec = clip.streams.video[0].codec_context
            tags = (codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc)
        assert tags == (2, 1, 1, 1)

    def test_metadata_such_as_the_place_is_left_out(self, silent_video: Path, tmp_path: Path) -> None:
        tagged = tmp_path / "tagged.mov"
        with av.open(str(silent_video)) as clip, av.open(str(tagged), "w") as out:
            out.metadata["location"] = "+48.8584+002.2945/"
            stream = out.add_stream_from_template(clip.streams.video[0])
            for packet in clip.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
        assert b"+48.8584" in tagged.read_bytes()
        self.copied(tagged, tmp_path / "a.mp4")
        assert b"+48.8584" not in (tmp_path / "a.mp4").read_bytes()

    def test_a_video_that_starts_late_keeps_its_clock(self, offset_video: Path, tmp_path: Path) -> None:
        self.copied(offset_video, tmp_path / "a.mp4")
        starts = []
        for path in (offset_video, tmp_path / "a.mp4"):
            with av.open(str(path)) as clip:
                video, audio = (next(clip.demux(stream)) for stream in clip.streams)
                starts.append(float(audio.pts * audio.time_base - video.pts * video.time_base))
        assert starts[1] == pytest.approx(starts[0], abs=0.001)

    def test_sound_that_mp4_cannot_carry_becomes_aac(self, avi_video: Path, tmp_path: Path) -> None:
        self.copied(avi_video, tmp_path / "a.mp4")
        with av.open(str(tmp_path / "a.mp4")) as clip:
            stream = clip.streams.audio[0]
            assert stream.codec_context.name == "aac"
            assert stream.duration * stream.time_base == pytest.approx(Fraction(1), abs=0.03)
