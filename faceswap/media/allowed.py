"""Lists the containers, codecs and pixel formats that the app decodes. It decodes no others.

FFmpeg has several hundred decoders. Most of them are for old formats, and nobody tests them any more. A
decoder runs on bytes that a stranger chose, so the app starts only the decoders of formats that people use.
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
"""FFmpeg's names of video codecs. Screen recordings and animations in MOV use `png` and `qtrle`. 3GP files of
old phones use `h263`."""

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
"""Decoders of the codecs above whose name differs from that of the codec."""

DECODERS = VIDEO_CODECS | AUDIO_CODECS | _OTHER_DECODERS

_PIXEL_FORMATS = ("yuv", "nv12", "nv16", "p010", "rgb", "bgr", "gbr", "argb", "abgr", "gray", "pal8")
"""Beginnings of the names of pixel formats: planar and packed YUV, RGB, grey and palettes, with 8 to 16 bits.
A name such as `0rgb` is compared without its zero."""


def container_options() -> dict[str, str]:
    """Options for `av.open` that limit FFmpeg to these containers and decoders, also while it probes."""
    return {"format_whitelist": ",".join(DEMUXERS), "codec_whitelist": ",".join(sorted(DECODERS))}


def require_allowed_video(stream: Any) -> None:
    """Check the codec and the pixel format of a video track.

    Raises: UnsupportedCodec: one of them is not allowed. The error names it.
    """
    context = stream.codec_context
    name, decoder = str(context.codec.canonical_name), str(context.codec.name)
    if name not in VIDEO_CODECS or decoder not in DECODERS:
        raise UnsupportedCodec(codec=name)
    pixels = str(context.pix_fmt or "")
    if pixels and not pixels.lstrip("0").startswith(_PIXEL_FORMATS):
        raise UnsupportedCodec(codec=f"{name} with {pixels} pixels")


def is_allowed_audio(stream: Any) -> bool:
    """Whether the app may decode or copy an audio track."""
    codec = stream.codec_context.codec
    return codec.canonical_name in AUDIO_CODECS and codec.name in DECODERS
