"""Jobs of the neural engine run from submission to receipt, on this machine and in the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faceswap import Service, Settings, SwapOptions
from faceswap.backends import Media, Report, RunState
from faceswap.backends.runpod import RunPodBackend
from faceswap.jobs import JobType
from faceswap.media import Limits, read_picture
from faceswap.ui.texts import CATALOGUES
from faceswap.worker.run import MARKER_EVERY_S
from tests import child, graphs
from tests.emulator.fixtures import settings_for
from tests.emulator.s3 import S3Server
from tests.emulator.sdk import SdkWorker
from tests.emulator.server import Emulator, Faults
from tests.integration.test_runpod_chain import BOOT_S, confirmed, finished, job_of
from tests.waiting import wait_until


@pytest.fixture
def service(models_dir: Path, landmark_model: Path, tmp_path: Path) -> Iterator[Service]:
    with Service(Settings(data_dir=tmp_path / "data", models_dir=models_dir, backend="local")) as service:
        yield service


class TestHere:
    def test_the_job_tells_what_swapped_it_with_whose_weights(
        self, service: Service, portrait: Path, other_portrait: Path
    ) -> None:
        options = SwapOptions(engine="neural", use_face_enhancer=True)
        job = service.submit("single-image", portrait, other_portrait, consent=True, options=options)
        job = service.wait(job.id, 60)
        assert (job.status, job.engine) == ("completed", "neural:inswapper_128")
        assert job.notes == ("enhancer_missing",)
        assert [file["file"] for file in job.weights] == [graphs.INSWAPPER, graphs.EMBEDDER]
        shown = service.get(job.id).public()
        assert shown["engine"] == "neural:inswapper_128"
        assert {"role", "name", "file", "sha256", "recognised", "licence"} == set(shown["weights"][0])
        receipt = service.receipt(job.id)
        assert (receipt.engine, receipt.weights) == (job.engine, [dict(file) for file in job.weights])
        assert [CATALOGUES["en"].notes[note] for note in job.notes] == [
            "There is no face enhancer; the result was not enhanced"
        ]

    def test_a_mesh_job_names_its_engine_and_no_weights(
        self, service: Service, portrait: Path, other_portrait: Path
    ) -> None:
        job = service.submit("single-image", portrait, other_portrait, consent=True)
        job = service.wait(job.id, 60)
        assert (job.engine, job.weights) == ("mesh", ())

    def test_a_job_that_asked_for_what_is_not_there_says_what_to_do(
        self, portrait: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        with Service(Settings(data_dir=tmp_path, backend="local")) as service:
            assert [role.value for role in service.models().missing] == ["swap model", "face embedding model"]
            options = SwapOptions(engine="neural")
            job = service.submit("single-image", portrait, other_portrait, consent=True, options=options)
            job = service.wait(job.id, 60)
        assert (job.error_code, job.engine) == ("neural_weights_missing", None)
        assert "needs a swap model" in job.error_message
        assert "FACESWAP_MODELS_DIR" in CATALOGUES["zh"].errors[job.error_code]
        assert str(tmp_path) not in (job.error_message or "")

    def test_a_preview_is_made_by_the_same_engine(
        self, service: Service, portrait: Path, other_portrait: Path
    ) -> None:
        previews = {
            service.preview(
                "single-image", portrait, other_portrait, consent=True, options=SwapOptions(engine=engine)
            )
            for engine in ("mesh", "neural")
        }
        assert len(previews) == 2


class TestInTheCloud:
    @pytest.fixture
    def worker(self, emulator: Emulator, models_dir: Path, tmp_path: Path) -> Iterator[SdkWorker]:
        worker = SdkWorker(emulator, tmp_path, FACESWAP_WORKER_MODELS_DIR=str(models_dir))
        yield worker
        worker.close()

    @pytest.fixture
    def backend(self, emulator: Emulator, tmp_path: Path) -> Iterator[RunPodBackend]:
        backend = RunPodBackend(settings_for(emulator, tmp_path / "data", None))
        yield backend
        backend.close()

    def swapped(
        self, backend: RunPodBackend, kind: JobType, engine: str, source: Path, target: Path, folder: Path
    ) -> tuple[Report, Path]:
        options = SwapOptions.model_validate({"engine": engine})
        job = job_of(kind).evolve(options=options)
        handle = backend.submit(job, Media({"": source}, target, folder))
        report = finished(backend, handle)
        assert report.state is RunState.SUCCEEDED, report.error
        path = folder / f"{engine}-{job.type.result_name}"
        backend.fetch(handle, report, path)
        return report, path

    def test_the_worker_swaps_with_its_own_weights_and_tells_which(
        self,
        backend: RunPodBackend,
        worker: SdkWorker,
        emulator: Emulator,
        portrait: Path,
        other_portrait: Path,
        face_video: Path,
        tmp_path: Path,
    ) -> None:
        wait_until(lambda: worker.name in emulator.waiting, "the worker is fit", BOOT_S)
        assert "neural:inswapper_128 on CPUExecutionProvider" in worker.log
        image = JobType.SINGLE_IMAGE
        report, neural = self.swapped(backend, image, "neural", portrait, other_portrait, tmp_path)
        assert report.swap.engine == "neural:inswapper_128"
        assert [file["licence"] for file in report.swap.weights] == ["unknown", "unknown"]
        other, mesh = self.swapped(backend, image, "auto", portrait, other_portrait, tmp_path)
        assert (other.swap.engine, other.swap.weights) == ("mesh", ()), "it has no GPU"
        one, two = (read_picture(path, Limits()) for path in (neural, mesh))
        assert (one != two).any()
        report, _ = self.swapped(backend, JobType.SINGLE_VIDEO, "neural", portrait, face_video, tmp_path)
        assert report.swap.engine == "neural:inswapper_128"

    @pytest.mark.parametrize("voice", ["signal", "marker"])
    def test_a_stop_while_the_network_computes_ends_the_engine_at_once(
        self,
        voice: str,
        emulator: Emulator,
        s3_server: S3Server,
        portrait: Path,
        other_portrait: Path,
        tmp_path: Path,
    ) -> None:
        """The graph would compute for hours, and only the end of its process stops it. The worker stays alive
        and takes the next job. The worker's check would refuse the graph, so the file appears after it. On a
        network volume that can happen."""
        models = tmp_path / "models"
        models.mkdir()
        settings = settings_for(emulator, tmp_path / "data", s3_server)
        backend = RunPodBackend(settings)
        worker = SdkWorker(
            emulator, tmp_path, FACESWAP_WORKER_MODELS_DIR=str(models), FACESWAP_LOG_LEVEL="DEBUG"
        )
        try:
            wait_until(lambda: worker.name in emulator.waiting, "the worker is fit", BOOT_S)
            graphs.embedder(models / graphs.EMBEDDER)
            graphs.endless(models / graphs.INSWAPPER)
            job = job_of(JobType.SINGLE_IMAGE).evolve(options=SwapOptions(engine="neural"))
            handle = backend.submit(job, Media({"": portrait}, other_portrait, tmp_path))
            engine = in_the_network(worker)
            emulator.faults = Faults(drop_stops=voice == "marker")
            used_s = [child.processor_s(engine)]
            over = backend.stop(handle)

            def gone() -> bool:
                try:
                    used_s.append(child.processor_s(engine))
                except (FileNotFoundError, ProcessLookupError):
                    return True
                return False

            wait_until(gone, "the engine is gone", 20)
            grace_s = 5 if voice == "signal" else 5 + MARKER_EVERY_S
            assert used_s[-1] - used_s[0] < grace_s * child.CORES, "not at once"
            if not over:
                confirmed(backend, handle)
            assert emulator.only_job.state == "CANCELLED"
            assert not any("output" in answer for answer in emulator.only_job.late)
            assert not list(tmp_path.glob("run-*")), "its files are gone"
            emulator.faults = Faults()
            report, _ = self.swapped(
                backend, JobType.SINGLE_IMAGE, "mesh", portrait, other_portrait, tmp_path
            )
            assert report.swap.engine == "mesh"
        finally:
            worker.close()
            backend.close()

    def test_a_worker_whose_networks_do_not_run_takes_no_job(
        self, emulator: Emulator, tmp_path: Path
    ) -> None:
        models = graphs.folder(tmp_path / "models")
        path = models / graphs.INSWAPPER
        path.write_bytes(path.read_bytes()[:5000])
        worker = SdkWorker(emulator, tmp_path, FACESWAP_WORKER_MODELS_DIR=str(models))
        try:
            wait_until(lambda: not worker.alive(), "the worker gives up", BOOT_S)
            assert "Fitness check failed: engine_is_fit" in worker.log
            assert worker.name not in emulator.waiting
        finally:
            worker.close()


def in_the_network(worker: SdkWorker) -> int:
    """Wait until the worker's engine has loaded its networks and computes. Returns its process id."""
    wait_until(
        lambda: f"{graphs.INSWAPPER} (inswapper_128) runs on" in worker.log, "the network is loaded", BOOT_S
    )
    (engine,) = worker.engines()
    loaded = child.processor_s(engine)
    wait_until(lambda: child.processor_s(engine) > loaded + 2, "the network computes", BOOT_S)
    return engine
