"""Makes the two pictures of the start page: python scripts/example_pictures.py

They are the example's target, and that picture with the example's face, as `examples.py` provides them. Both
portraits are in the public domain.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from faceswap import Service, Settings

FOLDER = Path(__file__).parent.parent / "faceswap" / "ui" / "static" / "pictures"
WIDTH = 400


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, Service(Settings(data_dir=Path(folder))) as service:
        source, target = service.example("source"), service.example("image")
        job = service.submit("single-image", source, target, consent=True)
        job = service.wait(job.id)
        for name, path in (("before", service.media_path(target)), ("after", service.result_path(job.id))):
            with Image.open(path) as picture:
                small = picture.convert("RGB").resize((WIDTH, round(WIDTH * picture.height / picture.width)))
                small.save(FOLDER / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
