"""Reads and writes the rows of uploads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from faceswap.errors import (
    UploadNotFound,
)
from faceswap.quota import Amount, Quota
from faceswap.store.access import StoreAccess, urgent
from faceswap.store.rows import (
    Upload,
    row_of_upload,
    upload_of,
)

_UNUSED = """NOT EXISTS (SELECT 1 FROM jobs WHERE source_file = uploads.id)
AND NOT EXISTS (SELECT 1 FROM jobs WHERE target_file = uploads.id)
AND NOT EXISTS (
    SELECT 1 FROM jobs, json_each(jobs.face_mappings) AS face
    WHERE jobs.owner = uploads.owner AND face.value = uploads.id
)"""
"""A job uses files of its own owner only, so no other owner's jobs are looked through."""


class UploadRows(StoreAccess):
    """After an upload is added, only its number of faces changes, until it is deleted."""

    def add_upload(self, upload: Upload, quota: Quota | None = None) -> None:
        """Raises: TooManyUploads: with it, the owner or the sender is over the quota."""
        row = row_of_upload(upload)
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        with self._write() as db:
            db.execute(f"INSERT INTO uploads ({names}) VALUES ({marks})", row)
            if quota is not None:
                quota.require(*_unused(db, upload.owner, upload.sender))

    def unused_amounts(self, owner: str, sender: str) -> tuple[Amount, Amount]:
        """How much of an owner, and how much from a sender, no job uses. The sender "" has sent nothing."""
        with self._database.reading() as db:
            return _unused(db, owner, sender)

    def upload(self, upload_id: str, owner: str | None = None) -> Upload:
        """Return one upload. Raises: UploadNotFound: it is unknown, or another owner's."""
        row = self._one("SELECT * FROM uploads WHERE id = ?", (upload_id,))
        if row is None or (owner is not None and row["owner"] != owner):
            raise UploadNotFound()
        return upload_of(row)

    def uploads(self, upload_ids: Collection[str]) -> dict[str, Upload]:
        """Return those of the uploads that exist, by id."""
        rows = self._all(
            "SELECT uploads.* FROM json_each(?) AS wanted JOIN uploads ON uploads.id = wanted.value",
            (json.dumps(list(upload_ids)),),
        )
        return {row["id"]: upload_of(row) for row in rows}

    def note_faces(self, upload_id: str, faces: int) -> None:
        """Store how many people a video shows. Does nothing when the video was deleted meanwhile."""
        self._change("UPDATE uploads SET faces = ? WHERE id = ?", (faces, upload_id))

    def has_upload(self, upload_id: str) -> bool:
        return self._one("SELECT 1 FROM uploads WHERE id = ?", (upload_id,)) is not None

    def unused_uploads(self, older_than_s: float) -> list[Upload]:
        """Return the uploads that are older than `older_than_s` and that no job uses."""
        rows = self._all(
            f"SELECT * FROM uploads WHERE created_at < ? AND {_UNUSED}",
            (self._clock() - older_than_s,),
        )
        return [upload_of(row) for row in rows]

    @urgent
    def delete_unused_upload(self, upload_id: str) -> bool:
        """Delete the row of an upload unless a job uses it. Returns whether no row is left."""
        with self._write() as db:
            db.execute(f"DELETE FROM uploads WHERE id = ? AND {_UNUSED}", (upload_id,))
            return not db.execute("SELECT 1 FROM uploads WHERE id = ?", (upload_id,)).fetchall()

    @urgent
    def delete_upload(self, upload_id: str) -> None:
        self._change("DELETE FROM uploads WHERE id = ?", (upload_id,))


def _unused(db: sqlite3.Connection, owner: str, sender: str) -> tuple[Amount, Amount]:
    def amount(whose: str, name: str) -> Amount:
        query = f"SELECT count(*), coalesce(sum(kept_bytes), 0) FROM uploads WHERE {whose} = ? AND {_UNUSED}"
        return Amount(*db.execute(query, (name,)).fetchone())

    return amount("owner", owner), amount("sender", sender) if sender else Amount()
