"""A token names an owner, a signed link opens one file, and nobody can make either without the key."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from faceswap.errors import NotSignedIn, StoreUnavailable
from faceswap.owners import KEY_FILE, LINK_S, Owners
from tests.factories import Clock

PATH = "/api/download/Yk3wB7n0T5eZr1uQmVd9Xg"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def owners(clock: Clock) -> Owners:
    return Owners(b"k" * 32, multi_user=True, clock=clock)


def ticket(owners: Owners, owner: str, path: str = PATH) -> str:
    return owners.signed_url(path, owner).removeprefix(f"{path}?t=")


def test_a_token_names_the_same_owner_each_time_and_each_token_another(owners: Owners) -> None:
    first, second = owners.new_token(), owners.new_token()
    assert owners.owner_of(first) == owners.owner_of(first)
    assert owners.owner_of(first) != owners.owner_of(second)


def test_a_token_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    token = Owners.load(tmp_path, True).new_token()
    assert Owners.load(tmp_path, True).owner_of(token).startswith("u")


@pytest.mark.parametrize("spoil", ["", "flip", "cut", "longer", "other", "owner only", "padding", "newline"])
def test_a_token_that_was_changed_names_nobody(owners: Owners, spoil: str) -> None:
    token = owners.new_token()
    owner, _, signature = token.partition(".")
    spoilt = {
        "": "",
        "flip": f"{owner}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "cut": token[:-1],
        "longer": token + "A",
        "other": f"{owners.new_token().partition('.')[0]}.{signature}",
        "owner only": owner,
        "padding": token + "=",
        "newline": token + "\n",
    }[spoil]
    with pytest.raises(NotSignedIn):
        owners.owner_of(spoilt)


@pytest.mark.parametrize("token", [None, "local", "local.", "u" * 23, "ü.ä", "\ud800", "a" * 100_000])
def test_what_is_no_token_names_nobody(owners: Owners, token: str | None) -> None:
    with pytest.raises(NotSignedIn):
        owners.owner_of(token)


def test_another_servers_token_names_nobody(owners: Owners) -> None:
    with pytest.raises(NotSignedIn):
        owners.owner_of(Owners(b"x" * 32, multi_user=True).new_token())


@pytest.mark.parametrize("token", [None, "", "anything", "local"])
def test_with_one_user_everybody_is_local(token: str | None) -> None:
    assert Owners(b"k" * 32, multi_user=False).owner_of(token) == "local"


def test_a_link_names_its_owner_for_its_path_only(owners: Owners) -> None:
    owner = owners.owner_of(owners.new_token())
    assert owners.owner_of_url(owners.signed_url(PATH, owner)) == owner
    with pytest.raises(NotSignedIn):
        owners.owner_of_link(PATH + "x", ticket(owners, owner))


def test_a_link_works_for_an_hour_and_not_for_longer_than_two(owners: Owners, clock: Clock) -> None:
    owner = owners.owner_of(owners.new_token())
    clock.now_s += LINK_S - 1  # The latest second at which the same link is made.
    link = ticket(owners, owner)
    clock.now_s += LINK_S
    assert owners.owner_of_link(PATH, link) == owner
    clock.now_s += LINK_S
    with pytest.raises(NotSignedIn):
        owners.owner_of_link(PATH, link)


def test_polling_shows_the_same_link_for_a_while(owners: Owners, clock: Clock) -> None:
    owner = owners.owner_of(owners.new_token())
    link = ticket(owners, owner)
    clock.now_s += LINK_S - 1
    assert ticket(owners, owner) == link
    clock.now_s += 1
    assert ticket(owners, owner) != link


def test_a_link_cannot_be_prolonged_or_given_to_another_owner(owners: Owners) -> None:
    mine, other = (owners.owner_of(owners.new_token()) for _ in range(2))
    owner, expires, signature = ticket(owners, mine).split(".")
    for forged in (
        f"{owner}.{int(expires) + 1}.{signature}",
        f"{other}.{expires}.{signature}",
        signature,
        "",
    ):
        with pytest.raises(NotSignedIn):
            owners.owner_of_link(PATH, forged)


def test_a_link_is_no_token_and_a_token_is_no_link(owners: Owners) -> None:
    token = owners.new_token()
    owner = owners.owner_of(token)
    link = ticket(owners, owner)
    for wrong in (link, f"{owner}.{link.rpartition('.')[2]}"):
        with pytest.raises(NotSignedIn):
            owners.owner_of(wrong)
    with pytest.raises(NotSignedIn):
        owners.owner_of_link(PATH, token)


def test_with_one_user_a_link_is_the_path() -> None:
    owners = Owners(b"k" * 32, multi_user=False)
    assert owners.signed_url(PATH, "local") == PATH
    assert owners.owner_of_url(PATH) == "local"


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    Owners.load(tmp_path / "data", True)
    key = tmp_path / "data" / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert len(key.read_bytes()) == 32
    before = key.read_bytes()
    Owners.load(tmp_path / "data", True)
    assert key.read_bytes() == before
    assert [path.name for path in key.parent.iterdir()] == [KEY_FILE]


def test_a_key_that_others_may_read_is_closed_again(tmp_path: Path) -> None:
    Owners.load(tmp_path, True)
    (tmp_path / KEY_FILE).chmod(0o644)
    Owners.load(tmp_path, True)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_servers_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    started = threading.Barrier(8)
    loaded: list[Owners] = []

    def start() -> None:
        started.wait()
        loaded.append(Owners.load(tmp_path, True))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    token = loaded[0].new_token()
    assert len({owners.owner_of(token) for owners in loaded}) == 1


def test_a_file_system_without_links_holds_a_key_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    token = Owners.load(tmp_path, True).new_token()
    assert Owners.load(tmp_path, True).owner_of(token)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_damaged_key_is_said_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(StoreUnavailable, match="damaged"):
        Owners.load(tmp_path, True)
    assert (tmp_path / KEY_FILE).read_bytes() == b"short"


def test_a_folder_that_cannot_be_written_is_said_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable) as caught:
        Owners.load(tmp_path / "file" / "data", True)
    assert str(tmp_path) not in str(caught.value)
