"""Remembers when the clock was last read, to notice that it was set wrong."""

from __future__ import annotations

from faceswap.store.access import StoreAccess

LARGEST_GAP_S = 48 * 3600.0
"""If more time than this lies between two looks, the clock may have jumped, or the app was off for long."""
LARGEST_STEP_S = 6 * 3600.0
"""The most time that one look may add. So a few small jumps together are no proof that time has passed."""
_SET_BACK_S = 300.0


class ClockNotes(StoreAccess):
    """Holds one row: when somebody last looked, and how long the clock has run steadily until then."""

    def note_time(self) -> float:
        """Note that somebody looks at the clock now. Returns for how many seconds it has run steadily.

        The count starts again at 0 when the clock was set back, or is more than `LARGEST_GAP_S` ahead of the
        last look. All processes share the count, and it goes on after a restart.
        """
        now = self._clock()
        with self._write() as db:
            row = db.execute("SELECT seen_at, steady_s FROM clock").fetchone()
            seen_at, steady_s = (float(row[0]), float(row[1])) if row else (now, 0.0)
            gap_s = now - seen_at
            jumped = not -_SET_BACK_S <= gap_s <= LARGEST_GAP_S
            steady_s = 0.0 if jumped else steady_s + min(max(gap_s, 0.0), LARGEST_STEP_S)
            db.execute("DELETE FROM clock")
            db.execute("INSERT INTO clock VALUES (?, ?)", (now, steady_s))
        return steady_s
