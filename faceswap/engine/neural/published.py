"""Weights files that other projects publish: their names and licences by SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Licence = Literal["insightface", "researchrail-ms", "gfpgan", "gpen", "unknown"]


@dataclass(frozen=True, slots=True)
class Known:
    """A published weights file."""

    name: str
    licence: Licence


KNOWN: Mapping[str, Known] = {
    "e4a3f08c753cb72d04e10aa0f7dbe3deebbf39567d4ead6dce08e98aa49e16af": Known("inswapper_128", "insightface"),
    "6d51a9278a1f650cffefc18ba53f38bf2769bf4bbff89267822cf72945f8a38b": Known(
        "inswapper_128_fp16", "insightface"
    ),
    "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43": Known("w600k_r50", "insightface"),
    "f1f79dc3b0b79a69f94799af1fffebff09fbd78fd96a275fd8f0cbbea23270d1": Known(
        "arcface_w600k_r50", "insightface"
    ),
    "c0e98a8a03a238f461ed3d2570e426b49f46745ee400854a60dceeb70c246add": Known(
        "hyperswap_1a_256", "researchrail-ms"
    ),
    "5124031789c42f71b9558fb71954ef7aedb6da7ed9fac79293e23c61a792a73e": Known(
        "hyperswap_1b_256", "researchrail-ms"
    ),
    "5528c2d76fe9986c99d829278987ef9f3a630cb606db7628d02b57b330f406a5": Known(
        "hyperswap_1c_256", "researchrail-ms"
    ),
    "c4eccca86ad177586c85c28bf1a64a9d9ed237e283a15818d831f7facfd3f420": Known(
        "inswapper_128_fp16", "insightface"
    ),
    "0960f836488735444d508b588e44fb5dfd19c68fde9163ad7878aa24d1d5115e": Known("GPEN-BFR-512", "gpen"),
    "6548e54cbcf248af385248f0c1193b359c37a0f98b836282b09cf48af4fd2b73": Known("GFPGANv1.4", "gfpgan"),
}
"""By SHA-256. Source: digests that several public projects state for the files of InsightFace (v0.7),
FaceFusion (models 3.0.0 and 3.3.0), GFPGAN and GPEN; licences as InsightFace, FaceFusion, TencentARC and
GPEN's authors state them. GFPGAN is under Apache-2.0, but has parts for non-commercial use only. GHOST's
files are under Apache-2.0, but its publisher states no digests. They work, but the app does not recognise
them."""
