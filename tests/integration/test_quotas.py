"""How much one owner, and one network address, may leave here or have in the queue."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from faceswap.api.senders import address_of
from faceswap.errors import QueueFull, TooManyFromAddress, TooManyJobs, TooManyUploads
from faceswap.housekeeping import SHARED_ORPHAN_AGE_S
from faceswap.owners import Owners
from faceswap.quota import Amount, Quota
from faceswap.service import Service
from faceswap.store import JobStore
from tests.factories import add_job, make_upload
from tests.integration.serving import Serving
from tests.waiting import wait_until

HERE = "8.8.8.8"
LIMITS = {"multi_user": True, "behind_proxy": True, "max_unused_uploads": 3, "max_unused_mb": 2}

Serve = Callable[..., Serving]


def send(serving: Serving, token: str | None, forwarded: str = HERE) -> httpx.Response:
    """Upload an empty file, which is refused with 400 when there is room for one more."""
    client = serving.client(token, **({"X-Forwarded-For": forwarded} if forwarded else {}))
    return client.post("/api/upload", files={"file": ("me.png", b"")})


def refused(answer: httpx.Response) -> bool:
    if answer.status_code == 429:
        assert answer.headers["X-FaceSwap-Error"] == "too_many_uploads"
        assert int(answer.headers["Retry-After"]) > 0
    else:
        assert answer.headers["X-FaceSwap-Error"] == "empty_file"
    return answer.status_code == 429


def test_an_owner_has_room_for_a_number_of_files_that_no_task_uses(serve: Serve) -> None:
    serving = serve(**LIMITS)
    token, owner = serving.sign_in()
    other, _ = serving.sign_in()
    for _ in range(2):
        serving.add_upload(owner)
    assert not refused(send(serving, token))
    last = serving.add_upload(owner)
    assert refused(send(serving, token))
    assert not refused(send(serving, other))
    add_job(serving.store, owner=owner, target_file=last.id)
    assert not refused(send(serving, token)), "a file that a task uses does not count"


def test_bytes_count_as_they_are_kept_not_as_they_were_sent(serve: Serve) -> None:
    serving = serve(**LIMITS)
    token, owner = serving.sign_in()
    serving.add_upload(owner, kept_bytes=1_900_000)
    assert not refused(send(serving, token))
    with pytest.raises(TooManyUploads):
        serving.store.add_upload(
            make_upload(owner=owner, size_bytes=10, kept_bytes=200_000), Quota(files=3, size_bytes=2_000_000)
        )
    assert serving.store.unused_amounts(owner, "") == (Amount(1, 1_900_000), Amount())
    serving.add_upload(owner, kept_bytes=200_000)
    assert refused(send(serving, token))


def test_all_owners_at_an_address_share_three_times_as_much(serve: Serve) -> None:
    serving = serve(**LIMITS)
    sender = serving.owners.sender(HERE)
    for _ in range(9):
        _, owner = serving.sign_in()
        serving.add_upload(owner, sender=sender)
    token, _ = serving.sign_in()
    assert refused(send(serving, token))
    assert refused(send(serving, token, f"1.2.3.4, {HERE}")), "the client wrote the first address"
    assert refused(send(serving, token, f"{HERE}, 10.0.3.7")), "the second is inside of the Space"
    assert not refused(send(serving, token, "9.9.9.9"))
    assert not refused(send(serving, token, f"{HERE}, 9.9.9.9"))


def test_with_one_user_there_is_no_quota(serve: Serve) -> None:
    serving = serve(max_unused_uploads=1)
    for _ in range(5):
        serving.add_upload()
    assert not refused(send(serving, None, ""))


def test_a_header_names_an_address_only_behind_a_proxy() -> None:
    forged = {"x-forwarded-for": "8.8.8.8"}
    assert address_of(forged, "9.9.9.9", behind_proxy=False) == "9.9.9.9"
    assert address_of(forged, "10.0.0.1", behind_proxy=True) == "8.8.8.8"
    assert address_of({}, "10.0.0.1", behind_proxy=True) == "10.0.0.1"
    assert address_of({"x-forwarded-for": "192.168.1.7"}, "10.0.0.1", behind_proxy=True) == "192.168.1.7"
    assert address_of({"x-forwarded-for": "not an address"}, None, behind_proxy=True) == ""


def test_an_address_is_kept_as_a_code_and_an_ipv6_network_is_one_address() -> None:
    owners = Owners(bytes(32), multi_user=True)
    assert owners.sender(HERE) == owners.sender(f"::ffff:{HERE}") != owners.sender("8.8.8.9")
    assert HERE not in owners.sender(HERE)
    assert len(owners.sender(HERE)) == 22
    assert owners.sender("2001:db8:1:2::1") == owners.sender("2001:db8:1:2:ffff::9")
    assert owners.sender("2001:db8:1:2::1") != owners.sender("2001:db8:1:3::1")
    assert owners.sender("") == owners.sender("testclient") == ""
    assert Owners(bytes(32), multi_user=False).sender(HERE) == ""
    assert Owners(bytes([1] * 32), multi_user=True).sender(HERE) != owners.sender(HERE)


def test_with_several_users_an_unused_file_goes_after_an_hour(serve: Serve) -> None:
    serving = serve(multi_user=True)
    now = datetime.fromtimestamp(time.time(), UTC)
    age = timedelta(seconds=SHARED_ORPHAN_AGE_S)
    old = serving.add_upload("ann", created_at=now - age - timedelta(minutes=1))
    young = serving.add_upload("ann", created_at=now - age + timedelta(minutes=10))
    with Service(serving.settings):
        wait_until(lambda: not serving.folders.upload(old.id).exists(), "the old one is gone")
    assert serving.folders.upload(young.id).exists()


def test_eleven_tokens_of_one_address_do_not_fill_the_queue(serve: Serve) -> None:
    """Each owner may have two tasks, and twenty may wait."""
    store = serve(multi_user=True).store
    accepted = 0
    for number in range(11):
        for _ in range(2):
            try:
                add_job(store, max_active=2, max_queue=20, owner=f"greedy {number}", sender="one address")
                accepted += 1
            except TooManyFromAddress as error:
                assert error.details == {"limit": 6}
    assert accepted == 6
    add_job(store, max_active=2, max_queue=20, owner="ann", sender="another address")


def test_the_last_places_are_for_addresses_that_have_no_task(serve: Serve) -> None:
    store = serve(multi_user=True).store
    for number in range(15):
        add_job(store, max_active=2, max_queue=20, owner=f"u{number}", sender=f"address {number // 5}")
    with pytest.raises(QueueFull):
        add_job(store, max_active=2, max_queue=20, owner="u99", sender="address 0")
    with pytest.raises(QueueFull):
        store.require_room("u99", "address 0", max_active=2, max_queue=20)
    for number in range(5):
        add_job(store, max_active=2, max_queue=20, owner=f"new {number}", sender=f"new {number}")
    with pytest.raises(QueueFull):
        add_job(store, max_active=2, max_queue=20, owner="late", sender="late")


def test_a_task_that_has_ended_counts_for_no_address_and_its_address_is_forgotten(serve: Serve) -> None:
    serving = serve(multi_user=True)
    store: JobStore = serving.store
    for number in range(3):
        job = add_job(store, max_active=1, max_queue=20, owner=f"u{number}", sender="here")
    with pytest.raises(TooManyJobs):
        add_job(store, max_active=1, max_queue=20, owner="u3", sender="here")
    store.cancel(job.id)
    add_job(store, max_active=1, max_queue=20, owner="u3", sender="here")
    kept = store._all("SELECT job_id FROM senders")
    assert job.id not in {row["job_id"] for row in kept}
    assert len(kept) == 3


def test_a_swap_over_http_carries_the_address(serve: Serve) -> None:
    serving = serve(multi_user=True, behind_proxy=True, max_active=1)
    codes: list[str] = []
    for _ in range(4):
        token, owner = serving.sign_in()
        source = serving.add_upload(owner, sender=serving.owners.sender(HERE))
        target = serving.add_upload(owner)
        body = {"source_file": source.id, "target_file": target.id, "consent": True}
        client = serving.client(token, **{"X-Forwarded-For": HERE})
        answer = client.post("/api/process/single-image", json=body)
        codes.append(answer.headers.get("X-FaceSwap-Error", "accepted"))
    assert codes == ["accepted"] * 3 + ["too_many_from_address"]
    assert serving.store.unused_amounts("", serving.owners.sender(HERE))[1].files == 1
