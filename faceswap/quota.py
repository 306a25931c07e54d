"""How many files somebody may leave here without a task that uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from faceswap.errors import TooManyUploads
from faceswap.settings import ADDRESS_SHARE, MEGABYTE, Settings


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of files, and their bytes on the disk."""

    files: int = 0
    size_bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.files + other.files, self.size_bytes + other.size_bytes)


@dataclass(frozen=True, slots=True)
class Quota:
    """The limit for one owner. All owners at one network address may together use `ADDRESS_SHARE` of it."""

    files: int
    size_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The quota of each owner. None with one user, whose own disk it is."""
        if not settings.multi_user:
            return None
        return cls(settings.max_unused_uploads, settings.max_unused_mb * MEGABYTE)

    def require(self, own: Amount, sent: Amount) -> None:
        """Check the files of an owner, and the files that came from the owner's address.

        Raises: TooManyUploads: one of them is over its limit.
        """
        for amount, share in ((own, 1), (sent, ADDRESS_SHARE)):
            if amount.files > share * self.files or amount.size_bytes > share * self.size_bytes:
                raise TooManyUploads(limit=share * self.files, limit_mb=share * self.size_bytes / MEGABYTE)
