"""The API does what its OpenAPI document says. Many valid and invalid requests are made from it."""

from __future__ import annotations

import secrets
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode, checks
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi import checks as openapi_checks

from faceswap.jobs import Job, Status
from tests.integration.serving import Serving
from tests.waiting import PATIENCE

REQUESTS = {"fast": 500, "ci": 1_000, "deep": 5_000}
"""How many requests are made with each Hypothesis profile, see `tests/conftest.py`."""
CHECKS = [
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]
FEW = {
    "/api/session": 1,
    "/api/health": 1,
    "/api/upload": 25,
    "/api/single-image-swap": 25,
    "/api/preview": 50,
}
"""Requests per route and mode (valid, invalid) for routes that have only one possible request or whose
requests start the engine. All other routes share the rest."""


@dataclass
class Api:
    """A server with several users, and the jobs and files of the user who sends the requests."""

    serving: Serving
    owner: str
    schema: BaseSchema
    session: requests.Session
    seen: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])

    def operations(self) -> list[APIOperation]:
        return [result.ok() for result in self.schema.get_all_operations()]

    @contextmanager
    def existing(self, turn: int) -> Generator[Job]:
        """Make a job in one of the four states. It is deleted afterwards, so that lists stay short."""
        batch = secrets.token_urlsafe(16)
        self.serving.service.resume_queue(owner=self.owner)  # an earlier request may have stopped it
        job = self.serving.add_job(self.owner, list(Status)[turn % 4], batch=batch)
        try:
            yield job
        finally:
            for left in self.serving.service.history(owner=self.owner):
                self.serving.service.delete(left.id, owner=self.owner)

    def send(self, case: Case) -> None:
        answer = case.call(session=self.session, timeout=30 * PATIENCE)
        case.validate_response(answer, checks=CHECKS)
        assert answer.status_code < 500, answer.content
        assert str(self.serving.folders.root).encode() not in answer.content
        assert b"Traceback" not in answer.content
        self.seen[case.operation.label, answer.status_code] += 1


@pytest.fixture
def api(serve: Callable[..., Serving]) -> Iterator[Api]:
    serving = serve(multi_user=True, max_active=100_000, max_queue=100_000, max_batch=100_000)
    token, owner = serving.sign_in()
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token}"
        yield Api(serving, owner, schemathesis.openapi.from_url(f"{serving.url}/api/openapi.json"), session)


def test_many_requests_get_what_the_document_promises(landmark_model: Path, api: Api) -> None:
    operations = api.operations()
    wanted = REQUESTS[settings.get_current_profile_name()]
    many = -(-wanted // (2 * (len(operations) - len(FEW))))
    for operation in operations:
        examples = FEW.get(operation.path, many)
        for mode in [GenerationMode.POSITIVE] if examples == 1 else list(GenerationMode):
            _try(api, operation, mode, examples)
    assert sum(api.seen.values()) >= wanted
    answered = {label for label, code in api.seen if code in (200, 204)}
    need_a_face = {"POST /api/detect-faces", "POST /api/preview", "POST /api/single-image-swap"}
    assert answered | need_a_face == {operation.label for operation in operations}


def _try(api: Api, operation: APIOperation, mode: GenerationMode, examples: int) -> None:
    """Send `examples` requests. When Hypothesis finds no new ones, it starts again."""
    before = sum(api.seen.values())

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Case) -> None:
        turn = sum(api.seen.values())
        if turn % 3:
            api.send(case)
            return
        with api.existing(turn // 3) as job:
            ids = {"jobId": job.id, "batchId": job.batch, "fileId": job.id if turn % 2 else job.target_file}
            case.path_parameters.update(
                {name: ids[name] for name in case.path_parameters.keys() & ids.keys()}
            )
            if operation.path in ("/api/process/{type}", "/api/preview") and isinstance(case.body, dict):
                case.body |= {"source_file": job.source_file, "target_file": job.target_file, "consent": True}
            elif operation.path.startswith("/api/batches") and isinstance(case.body, dict):
                files = {"sources": [job.source_file], "targets": [job.target_file]}
                case.body |= {**files, "consent": True}
            api.send(case)

    while sum(api.seen.values()) < before + examples:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Hypothesis and Schemathesis warn about their own strategies.
            attempt()


def test_a_picture_taken_in_and_its_faces_are_as_documented(
    landmark_model: Path, api: Api, group_photo: Path
) -> None:
    upload, detect = api.schema["/api/upload"]["POST"], api.schema["/api/detect-faces"]["POST"]
    url = api.serving.url
    with group_photo.open("rb") as file:
        sent = api.session.post(
            f"{url}/api/upload", files={"file": ("group.jpg", file)}, timeout=60 * PATIENCE
        )
    upload.validate_response(sent)
    assert sent.status_code == 200
    found = api.session.post(
        f"{url}/api/detect-faces", json={"fileId": sent.json()["data"]["fileId"]}, timeout=60 * PATIENCE
    )
    detect.validate_response(found)
    assert found.status_code == 200
    assert checks.CHECKS  # The checks that validate_response ran are registered.


def test_the_document_has_an_example_or_a_description_for_everything(api: Api) -> None:
    raw = api.session.get(f"{api.serving.url}/api/openapi.json", timeout=30 * PATIENCE).json()
    for path, methods in raw["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            for parameter in operation.get("parameters", []):
                assert parameter["description"], (path, parameter["name"])
            for code, response in operation["responses"].items():
                assert response["description"], (path, code)
    for name in ("JobView", "ProcessRequest", "DetectRequest", "Failure", "ReceiptView"):
        assert raw["components"]["schemas"][name]["example"], name
