"""Crafted hostile files. Each has a name, bytes, and whether the app may accept a harmless part of it."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, PngImagePlugin

PAYLOAD = b"<?php system($_GET['x']) ?><script>alert('payload')</script>"


@dataclass(frozen=True, slots=True)
class Hostile:
    name: str
    """The name that the upload sends."""
    content: bytes
    accepted: bool = False
    """True for a picture or video that hides other data. The app may keep it without that data."""


def hostile_files(portrait: Path, folder: Path, victims: Path, port: int) -> list[Hostile]:
    """Make all files. When the app reads them, nothing may open a file in `victims` or connect to `port`."""
    with Image.open(portrait) as opened:
        picture = opened.convert("RGB").resize((64, 64))
    return [
        *_playlists(victims, port),
        *_documents(victims, port, picture),
        *_disguises(victims, port, folder),
        *_broken_pictures(picture),
        *_picture_bombs(picture),
        *_polyglots(picture),
        *_broken_videos(folder),
        *_video_bombs(folder),
    ]


def _playlists(victims: Path, port: int) -> Iterator[Hostile]:
    url = f"http://127.0.0.1:{port}/victim.ts"
    for name, target in (
        ("neighbour", "victim.mp4"),
        ("parent", f"../{victims.name}/victim.mp4"),
        ("absolute", str(victims / "victim.mp4")),
        ("url", f"file://{victims / 'victim.mp4'}"),
        ("http", url),
    ):
        yield Hostile(f"concat-{name}.mp4", f"ffconcat version 1.0\nfile '{target}'\n".encode())
    yield Hostile("list.mp4", _m3u8(url))
    yield Hostile("list-file.mp4", _m3u8(str(victims / "victim.ts")))
    yield Hostile("list-key.mov", _m3u8(url, f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n'))
    yield Hostile("list-concat.mp4", _m3u8(f"concat:{url}|file://{victims / 'victim.txt'}"))
    yield Hostile("list-udp.webm", _m3u8(f"udp://127.0.0.1:{port}"))
    dash = f'<MPD type="static"><Period><BaseURL>{url}</BaseURL></Period></MPD>'
    yield Hostile("manifest.mp4", f'<?xml version="1.0"?>{dash}'.encode())
    sdp = f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n"
    yield Hostile("stream.mp4", sdp.encode())
    yield Hostile("frames.png", b"image2 sequence %03d.png")


def _m3u8(target: str, key: str = "") -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{key}#EXTINF:1.0,\n{target}\n#EXT-X-ENDLIST\n".encode()


def _documents(victims: Path, port: int, picture: Image.Image) -> Iterator[Hostile]:
    victim = f"file://{victims / 'victim.png'}"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{victim}"/></svg>'
    yield Hostile("logo.png", svg.encode())
    yield Hostile("script.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    entity = f'<!DOCTYPE svg [<!ENTITY x SYSTEM "{victim}">]><svg>&x;</svg>'
    yield Hostile("entity.png", entity.encode())
    yield Hostile("page.jpg", b"<!doctype html><script>alert(1)</script>")
    mvg = f"push graphic-context\nimage over 0,0 0,0 'http://127.0.0.1:{port}/x'\npop graphic-context"
    yield Hostile("magick.jpg", mvg.encode())
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch /tmp/x) (w) file\n"
    yield Hostile("drawing.png", eps)
    yield Hostile("paper.png", b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript>>>>endobj")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("../../evil.py", PAYLOAD)
        packed.writestr("zeros", bytes(10_000_000))
    yield Hostile("pictures.png", archive.getvalue())
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../../evil"), io.BytesIO())
    yield Hostile("pictures.jpg", tape.getvalue())
    yield Hostile("squeezed.png", gzip.compress(bytes(1_000_000)))
    yield Hostile("program.png", b"\x7fELF\x02\x01\x01" + bytes(200))
    yield Hostile("program.mp4", b"MZ" + bytes(200))
    yield Hostile("shell.mp4", b"#!/bin/sh\ntouch /tmp/x\n")
    for kind in ("GIF", "BMP", "TIFF", "ICO", "PPM", "TGA"):
        out = io.BytesIO()
        picture.save(out, kind)
        yield Hostile(f"{kind.lower()}.png", out.getvalue(), accepted=kind in ("GIF", "BMP", "TIFF"))
    yield Hostile("heic.jpg", _box(b"ftyp", b"heic\0\0\0\0mif1heic") + bytes(64))
    yield Hostile("sound.avi", b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(28))
    yield Hostile("sound.mp4", b"ID3\x04" + bytes(200))
    yield Hostile("stream.mp4", (b"\x47" + bytes(187)) * 20)
    yield Hostile("flash.mp4", b"FLV\x01\x05\0\0\0\x09" + bytes(100))
    yield Hostile("empty.png", b"")
    yield Hostile("byte.mp4", b"\0")
    yield Hostile("zeros.mp4", bytes(1_000_000))
    yield Hostile("text.png", "只是文字".encode() * 100)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def _riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


def _disguises(victims: Path, port: int, folder: Path) -> Iterator[Hostile]:
    ftyp = _box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    script = f"ffconcat version 1.0\nfile '{victims / 'victim.mp4'}'\n".encode()
    playlist = _m3u8(f"http://127.0.0.1:{port}/victim.ts")
    for label, text in (("concat", script), ("list", playlist)):
        yield Hostile(f"{label}-ftyp.mp4", ftyp + text)
        yield Hostile(f"{label}-ebml.mkv", b"\x1a\x45\xdf\xa3" + text)
        yield Hostile(f"{label}-png.png", b"\x89PNG\r\n\x1a\n" + text)
        yield Hostile(f"{label}-avi.avi", b"RIFF" + struct.pack("<I", len(text)) + b"AVI " + text)
    clip = _clip(folder, "avi", "mpeg4", Fraction(25))
    subtitle = (
        b"GAB2\0\2\0" + struct.pack("<I", 8) + b"x\0u\0b\0\0\0" + b"\4\0" + struct.pack("<I", len(playlist))
    )
    at = clip.index(b"movi") + 4
    clip = clip[:at] + _riff(b"01tx", subtitle + playlist) + clip[at:]
    yield Hostile("subtitles.avi", _with_text_stream(clip), accepted=True)
    movie = _clip(folder, "mov", "libx264", Fraction(25))
    yield Hostile("elsewhere.mov", movie.replace(b"url \0\0\0\1", b"url \0\0\0\0"), accepted=True)
    path = str(victims / "victim.mp4").encode()
    alias = bytes(10) + b"\0\2" + bytes(130) + b"\0\2" + struct.pack(">H", len(path)) + path + b"\xff\xff\0\0"
    yield Hostile("alias.mov", _with_reference(movie, _box(b"alis", b"\0\0\0\0" + alias)))
    yield Hostile("reference.mov", _box(b"moov", _box(b"rmra", _box(b"rmda", _reference(port)))))


def _with_text_stream(clip: bytes) -> bytes:
    """Return the AVI with a second stream in its header: subtitles, which FFmpeg would open as a file."""
    header = b"txts" + bytes(16) + struct.pack("<III", 1, 25, 0) + bytes(24)
    entry = _riff(b"LIST", b"strl" + _riff(b"strh", header) + _riff(b"strf", bytes(40)))
    data = bytearray(clip)
    headers = data.index(b"hdrl")
    size = struct.unpack_from("<I", data, headers - 4)[0]
    struct.pack_into("<I", data, headers - 4, size + len(entry))
    struct.pack_into("<I", data, data.index(b"avih") + 8 + 24, 2)
    data[headers + size : headers + size] = entry
    return bytes(data)


def _with_reference(movie: bytes, entry: bytes) -> bytes:
    """Return the file with another data reference.

    The boxes around it keep their old sizes; parsers accept that.
    """
    at = movie.index(b"dref") - 4
    size = struct.unpack_from(">I", movie, at)[0]
    return movie[:at] + _box(b"dref", struct.pack(">II", 0, 1) + entry) + movie[at + size :]


def _reference(port: int) -> bytes:
    url = f"http://127.0.0.1:{port}/victim.mp4\0".encode()
    return _box(b"rdrf", b"\0\0\0\0url " + struct.pack(">I", len(url)) + url)


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, pixels: bytes, *more: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = _chunk(b"IDAT", pixels)
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + data + _chunk(b"IEND", b"")


def _broken_pictures(picture: Image.Image) -> Iterator[Hostile]:
    png, jpeg, webp = (_saved(picture, kind) for kind in ("PNG", "JPEG", "WEBP"))
    for name, whole in (("png", png), ("jpg", jpeg), ("webp", webp)):
        yield Hostile(f"cut.{name}", whole[: len(whole) // 2], accepted=name == "jpg")
        yield Hostile(f"head.{name}", whole[:24])
    yield Hostile("wrong-checksum.png", png.replace(png[33:45], bytes(12)))
    yield Hostile("no-size.png", _png(0, 0, b""))
    yield Hostile("no-table.jpg", jpeg.replace(b"\xff\xdb", b"\xff\xe3"))
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 65535) + b"\x01\x12" * 100
    bad_exif = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    yield Hostile("exif.jpg", bad_exif, accepted=True)


def _picture_bombs(picture: Image.Image) -> Iterator[Hostile]:
    yield Hostile("wide.png", _png(12_000, 12_000, zlib.compress(bytes(12_001 * 12_000), 9)))
    yield Hostile("claims.png", _png(65_535, 65_535, zlib.compress(b"\0")))
    yield Hostile("claims-most.png", _png(2**31 - 1, 2**31 - 1, zlib.compress(b"\0")))
    yield Hostile("claims-little.png", _png(7_000, 7_000, zlib.compress(b"\0")))
    jpeg = _saved(picture, "JPEG")
    sof = jpeg.index(b"\xff\xc0") + 5
    yield Hostile("claims.jpg", jpeg[:sof] + struct.pack(">HH", 65_500, 65_500) + jpeg[sof + 4 :])
    webp = _saved(picture, "WEBP", lossless=True)
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + b"\xff\x3f\0\xff\x3f\0"
    body = b"WEBP" + canvas + webp[12:]
    yield Hostile("claims.webp", b"RIFF" + struct.pack("<I", len(body)) + body)
    bomb = zlib.compress(bytes(200_000_000), 9)
    pixels = zlib.compress(bytes(65 * 64))
    yield Hostile("text-bomb.png", _png(64, 64, pixels, _chunk(b"zTXt", b"comment\0\0" + bomb)))
    yield Hostile("profile-bomb.png", _png(64, 64, pixels, _chunk(b"iCCP", b"profile\0\0" + bomb)))
    yield Hostile("data-bomb.png", _png(64, 64, bomb), accepted=True)
    progressive = _saved(Image.new("RGB", (4_000, 4_000)), "JPEG", progressive=True)
    last = progressive.rindex(b"\xff\xda")
    scan = progressive[last:-2]
    yield Hostile("scans.jpg", progressive[:-2] + scan * 4_000 + b"\xff\xd9")


def _polyglots(picture: Image.Image) -> Iterator[Hostile]:
    png, jpeg = _saved(picture, "PNG"), _saved(picture, "JPEG")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("evil.php", PAYLOAD)
    comment = jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(PAYLOAD) + 2) + PAYLOAD + jpeg[2:]
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", PAYLOAD.decode())
    exif = Image.Exif()
    exif[0x010E] = PAYLOAD.decode()
    for name, content in (
        ("zip-behind.jpg", jpeg + archive.getvalue()),
        ("zip-behind.png", png + archive.getvalue()),
        ("page-behind.png", png + PAYLOAD),
        ("page-inside.jpg", comment),
        ("page.php.png", _saved(picture, "PNG", pnginfo=text)),
        ("page.jpg.html", _saved(picture, "JPEG", exif=exif)),
        ("animated.png", _saved(picture, "PNG", save_all=True, append_images=[picture] * 50) + PAYLOAD),
        ("../../../evil.png", png + PAYLOAD),
        ("..\\..\\evil.png", png + PAYLOAD),
        ("<img src=x onerror=alert(1)>.png", png + PAYLOAD),
        ("\u202egnp.exe", png + PAYLOAD),
        ("名" * 200 + ".png", png + PAYLOAD),
    ):
        yield Hostile(name, content, accepted=True)


def _clip(folder: Path, container: str, codec: str, rate: Fraction, frames: int = 5, audio: int = 0) -> bytes:
    """Return a grey clip of 64 x 64 pixels."""
    path = folder / f"clip.{container}"
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream(codec, rate=rate)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        tracks: list[Any] = [out.add_stream("aac", rate=48_000) for _ in range(audio)]
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), "yuv420p")
            frame.pts = index
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for track in tracks:
            sound = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            sound.sample_rate, sound.pts = 48_000, 0
            out.mux(track.encode(sound))
            out.mux(track.encode(None))
    content = path.read_bytes()
    path.unlink()
    return content


def _patched(clip: bytes, box: bytes, offset: int, value: bytes) -> bytes:
    """Return the file with `value` written `offset` bytes after the name of each such box."""
    data = bytearray(clip)
    at = data.find(box)
    while at >= 0:
        data[at + offset : at + offset + len(value)] = value
        at = data.find(box, at + 4)
    return bytes(data)


def _broken_videos(folder: Path) -> Iterator[Hostile]:
    clips = {
        "mp4": _clip(folder, "mp4", "libx264", Fraction(25)),
        "mkv": _clip(folder, "mkv", "libx264", Fraction(25)),
        "avi": _clip(folder, "avi", "mpeg4", Fraction(25)),
    }
    for name, clip in clips.items():
        yield Hostile(f"head.{name}", clip[:40])
    mp4 = clips["mp4"]
    yield Hostile("cut.mp4", mp4[: len(mp4) // 2])
    yield Hostile("no-index.mp4", mp4.replace(b"moov", b"xxxx"))
    yield Hostile("no-codec.mp4", mp4.replace(b"avc1", b"zzzz"))
    yield Hostile("no-sizes.mp4", _patched(mp4, b"stsz", 8, b"\x0f\xff\xff\xff" * 2))
    yield Hostile("far-away.mp4", _patched(mp4, b"stco", 12, b"\x7f\xff\xff\xff"))
    yield Hostile("no-data.mp4", mp4[: mp4.index(b"mdat") + 4] + bytes(len(mp4)))
    nested = b""
    for _ in range(20_000):
        nested = _box(b"moov", nested)
    yield Hostile("nested.mp4", mp4[:32] + nested)
    yield Hostile("endless.mkv", b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" + b"\xec\x08" * 500)
    yield Hostile("no-rate.avi", _patched(clips["avi"], b"strh", 24, bytes(12)) + PAYLOAD, accepted=True)
    sound = folder / "sound.mp4"
    with av.open(str(sound), "w") as out:
        track: Any = out.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 48_000, 0
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    yield Hostile("sound-only.mp4", sound.read_bytes())
    sound.unlink()


def _video_bombs(folder: Path) -> Iterator[Hostile]:
    mp4 = _clip(folder, "mp4", "libx264", Fraction(25))
    yield Hostile("frames-claimed.mp4", _patched(mp4, b"stts", 12, b"\x0f\xff\xff\xff"))
    yield Hostile("long.mp4", _clip(folder, "mp4", "libx264", Fraction(1, 300)))
    yield Hostile("long.mkv", _clip(folder, "mkv", "libx264", Fraction(1, 300)))
    yield Hostile("tracks.mp4", _clip(folder, "mp4", "libx264", Fraction(25), audio=80))
    yield Hostile("picture-bomb.mov", _png_video(folder))
    yield Hostile("large.mp4", _large(folder))


def _png_video(folder: Path) -> bytes:
    """Return a video of PNG frames. The header says 64 x 64, but the frame is 12000 x 12000."""
    path = folder / "png.mov"
    bomb = _png(12_000, 12_000, zlib.compress(bytes(12_001 * 12_000), 9))
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("png", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "gray"
        packet = av.Packet(bomb)
        packet.stream, packet.pts, packet.dts, packet.time_base = video, 0, 0, Fraction(1, 25)
        packet.is_keyframe = True
        out.mux(packet)
    content = path.read_bytes()
    path.unlink()
    return content


def _large(folder: Path) -> bytes:
    path = folder / "large.mp4"
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 4096, 2304, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((2304 * 3 // 2, 4096), 128, np.uint8), "yuv420p")
        frame.pts = 0
        out.mux(video.encode(frame))
        out.mux(video.encode(None))
    content = path.read_bytes()
    path.unlink()
    return content
