"""Small pictures and names of a job's files, so that one job can be told from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from faceswap.jobs import Job
from faceswap.store import Upload
from faceswap.ui.site import Site


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """Both are empty for a simulated job. A file that does not exist any more is left out."""

    sources: tuple[Picture, ...] = ()
    """Each source once, in the order of the faces."""
    target: Picture | None = None


NO_PICTURES = Pictures()


def pictures_of(site: Site, job: Job, files: Mapping[str, Upload], owner: str) -> Pictures:
    """Return the pictures of a job. `files` are uploads by id, see `JobQueries.files_of`."""

    def picture(upload: Upload) -> Picture:
        return Picture(upload.name, site.thumbnail_url(upload.id, owner))

    sources = dict.fromkeys(job.sources.values())
    target = files.get(job.target_file)
    return Pictures(
        tuple(picture(files[each]) for each in sources if each in files),
        picture(target) if target else None,
    )
