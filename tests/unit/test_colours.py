"""The colours of a video are read correctly, and its result states its colours correctly."""

from pathlib import Path

import av
import numpy as np
import pytest

from faceswap.engine.planes import as_u8, to_picture
from faceswap.media import Coding, Frame, Limits, VideoReader, VideoWriter
from tests import colours

LIMITS = Limits()
MISSED = 3.5
"""The loss that a codec may cause, out of 255."""


def seen_by_the_engine(frame: Frame, reader: VideoReader) -> np.ndarray:
    luma, u, v = frame.planes()
    wide, high = (np.repeat(np.repeat(part, 2, 0), 2, 1) for part in (u, v))
    return to_picture(as_u8(luma), as_u8(wide), as_u8(high), reader.colour)


@pytest.mark.parametrize("name", colours.FORMS)
def test_every_form_is_read_as_it_is_meant_and_stated_in_the_result(name: str, tmp_path: Path) -> None:
    source = colours.write(tmp_path, colours.FORMS[name])
    result = tmp_path / "result.mp4"
    with VideoReader(source, LIMITS) as reader, VideoWriter(result, reader, Coding(4)) as writer:
        for item in reader:
            assert isinstance(item, Frame)
            engine = colours.patches(seen_by_the_engine(item, reader))
            preview = colours.patches(item.video.to_ndarray(format="rgb24"))
            assert np.abs(engine - colours.CHART).max() <= MISSED
            assert np.abs(preview - colours.CHART).max() <= MISSED
            writer.write(item)
        writer.close()
        stated = reader.tags
    with VideoReader(result, LIMITS) as reader:
        assert reader.tags == stated
        again = colours.patches(seen_by_the_engine(next(reader.frames()), reader))
    assert np.abs(again - colours.CHART).max() <= MISSED
    with av.open(str(result)) as clip:
        codec = clip.streams.video[0].codec_context
        assert codec.color_range in (1, 2)
        assert not {codec.colorspace, codec.color_primaries, codec.color_trc} & {0, 2}


@pytest.mark.parametrize("encoder", ["libx265", "libvpx-vp9"])
@pytest.mark.parametrize("name", ["full-range VP9", "full range as old programs write it", "untagged, 360p"])
def test_every_encoder_states_the_range_that_it_got(name: str, encoder: str, tmp_path: Path) -> None:
    source = colours.write(tmp_path, colours.FORMS[name])
    result = tmp_path / "result.mp4"
    with VideoReader(source, LIMITS) as reader, VideoWriter(result, reader, Coding(4, encoder)) as writer:
        for frame in reader.frames():
            writer.write(frame)
        writer.close()
        stated = reader.tags
    with VideoReader(result, LIMITS) as reader:
        assert reader.tags == stated
        shown = colours.patches(seen_by_the_engine(next(reader.frames()), reader))
    assert np.abs(shown - colours.CHART).max() <= MISSED
