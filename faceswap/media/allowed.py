"""Which containers, codecs and pixel formats are decoded: those that people bring, and no others.

FFmpeg has several hundred decoders, most of them for formats of games and of the 1990s that nobody tests any
more. Each of them runs on bytes that a stranger chose, so the short list below is all that is ever started.
"""

from __future__ import annotations

from typing import Any

from faceswap.errors import UnsupportedCodec

DEMUXERS = ("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi")

VIDEO_CODECS = frozenset(
    (
        *("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "h263"),
        *("prores", "mjpeg", "dvvideo", "qtrle", "rawvideo", "png", "dnxhd"),
    )
)
"""Names of codecs, as FFmpeg calls the streams of a file. `png` and `qtrle` are screen recordings and
animations in MOV; `h263` is in 3GP files of old phones."""

AUDIO_CODECS = frozenset(
    (
        *("aac", "mp3", "mp2", "opus", "vorbis", "flac", "alac", "ac3", "eac3", "amr_nb", "amr_wb"),
        *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le"),
        *("pcm_f32be", "pcm_u8", "pcm_s8", "pcm_alaw", "pcm_mulaw"),
    )
)

_OTHER_DECODERS = frozenset(
    (
        *("libdav1d", "libvpx", "libvpx-vp9", "mp3float", "mp2float", "libopus", "libvorbis"),
        *("amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb"),
    )
)
"""Decoders of those codecs that have another name than the codec."""

DECODERS = VIDEO_CODECS | AUDIO_CODECS | _OTHER_DECODERS

_PIXEL_FORMATS = ("yuv", "nv12", "nv16", "p010", "rgb", "bgr", "gbr", "argb", "abgr", "gray", "pal8")
"""Beginnings of names: planar and packed YUV, RGB, grey and palettes, 8 to 16 bits deep. `0rgb` and the like
count as RGB."""


def container_options() -> dict[str, str]:
    """Options of `av.open` that keep FFmpeg from starting anything else, also while it probes a file."""
    return {"format_whitelist": ",".join(DEMUXERS), "codec_whitelist": ",".join(sorted(DECODERS))}


def require_allowed_video(stream: Any) -> None:
    """Raises: UnsupportedCodec: names what the video is encoded as."""
    context = stream.codec_context
    name, decoder = str(context.codec.canonical_name), str(context.codec.name)
    if name not in VIDEO_CODECS or decoder not in DECODERS:
        raise UnsupportedCodec(codec=name)
    pixels = str(context.pix_fmt or "")
    if pixels and not pixels.lstrip("0").startswith(_PIXEL_FORMATS):
        raise UnsupportedCodec(codec=f"{name} with {pixels} pixels")


def is_allowed_audio(stream: Any) -> bool:
    """Whether a track of sound may be decoded or copied."""
    codec = stream.codec_context.codec
    return codec.canonical_name in AUDIO_CODECS and codec.name in DECODERS
