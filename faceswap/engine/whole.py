"""What must be the same for all parts of a video: who is swapped, and the resting shapes of the faces.

It is found once in the whole video. When the parts are swapped on several machines, each gets it as a file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.people import Describer, People
from faceswap.engine.files import whole_or_not_at_all
from faceswap.engine.options import Options
from faceswap.engine.selection import Selection, select
from faceswap.engine.video import RestingShapes
from faceswap.errors import InvalidRequest
from faceswap.media import Limits, open_part

MANY = 8
"""Most faces that are followed in one frame of a video."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Whole:
    selection: Selection | None
    """None means that it does not matter who is who."""
    shapes: RestingShapes
    most: int
    """Most faces that are followed in one frame."""

    @classmethod
    def find(
        cls,
        target: Path,
        limits: Limits,
        landmarker: Landmarker,
        mesh: FaceMesh,
        describe: Describer,
        sources: Mapping[str, object],
        options: Options,
        people: Path | None,
        *,
        sample: bool = True,
    ) -> Self:
        """`sources` are by the id of a person, see `select`. `sample` says whether shapes are needed.

        Raises: UnknownFace: a source is for a person whom the video does not show; see also `open_part`.
        """
        selection = select(target, limits, landmarker, describe, sources, options, people)
        most = MANY if options.every_face or selection else 1
        shapes = RestingShapes(mesh)
        with open_part(target, limits, options.start_s, options.end_s) as reader:
            if sample:
                shapes.sample(reader, landmarker, math.radians(reader.info().rotation), most)
        return cls(selection, shapes, most)

    def save(self, path: Path) -> None:
        chosen = self.selection
        kept = {
            "format": _FORMAT,
            "most": self.most,
            "shapes": [np.round(face, 3).tolist() for face in self.shapes.faces],
            "selection": chosen
            and {
                "people": chosen.people.as_json(),
                "wanted": list(chosen.wanted.items()),
                "lenient": chosen.lenient,
            },
        }
        with whole_or_not_at_all(path) as part:
            part.write_text(json.dumps(kept), encoding="utf-8")

    @classmethod
    def load(cls, path: Path, mesh: FaceMesh, describe: Describer) -> Self:
        """Read what `save` wrote. The content is checked because it came over a network.

        Raises: InvalidRequest: it is damaged, or this machine tells people apart in another way.
        """
        try:
            kept: Any = json.loads(path.read_text(encoding="utf-8"))
            if kept["format"] != _FORMAT:
                raise ValueError
            shapes = RestingShapes(mesh)
            for face in kept["shapes"]:
                shapes.add(np.array(face, np.float32))
            selection = _selection(kept["selection"], describe)
            return cls(selection, shapes, min(MANY, max(1, int(kept["most"]))))
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise InvalidRequest(reason="the file about the whole video cannot be used here") from error


def _selection(kept: Any, describe: Describer) -> Selection | None:
    if kept is None:
        return None
    people = People.from_json(kept["people"], describe)
    if people is None:
        raise ValueError
    wanted = {int(number): str(source) for number, source in kept["wanted"]}
    return Selection(people, wanted, lenient=bool(kept["lenient"]))
