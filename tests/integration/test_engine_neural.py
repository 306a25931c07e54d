"""The neural engine runs tiny networks: what it shares with the mesh engine, and how it fails."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest

from faceswap.engine import engines
from faceswap.engine.child.contract import ModelsSpec, SwapSpec, spec_to_json
from faceswap.engine.child.limits import may_use_gpu
from faceswap.engine.engines import Engine, EngineOutcome, EngineRequest, MeshEngine, with_engine
from faceswap.engine.face.align import ARCFACE_128
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.topology import OVAL
from faceswap.engine.mesh.source import find_source_photo
from faceswap.engine.neural import graphs as running
from faceswap.engine.neural import providers
from faceswap.engine.neural.contracts import Contract
from faceswap.engine.neural.networks import Network
from faceswap.engine.neural.providers import COREML, CPU, CUDA, DIRECTML, OPENVINO, ROCM
from faceswap.engine.neural.repainting import Repainter
from faceswap.engine.neural.weights import read_weights_folder
from faceswap.engine.options import Options
from faceswap.engine.planes import F32, Planes, Region, to_yuv
from faceswap.engine.swap import swap_image, swap_video
from faceswap.errors import NeuralUnavailable
from faceswap.media import Colour, Limits, VideoReader, read_picture
from faceswap.swap_result import SwapResult
from tests import child, graphs
from tests.judge import pictures
from tests.waiting import PATIENCE, wait_until

LIMITS = Limits()


@pytest.fixture(scope="module")
def mesh(landmark_model: Path) -> FaceMesh:
    return FaceMesh(landmark_model)


@pytest.fixture(scope="module")
def landmarker(landmark_model: Path) -> Landmarker:
    return Landmarker(landmark_model)


@pytest.fixture
def image(
    portrait: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
) -> Callable[[Engine], SwapResult]:
    """Put the portrait's face onto the man's picture."""
    return lambda engine: swap_image(
        {"": portrait}, other_portrait, tmp_path / "result.png", landmark_model, engine=engine
    )


class Plain:
    """A network that answers with `paint` of each picture and counts the pictures it gets."""

    def __init__(self, paint: Callable[[Any], Any], at_once: int = 1, size: int = 256) -> None:
        self.contract = Contract(size, ARCFACE_128)
        self.at_once = at_once
        self._paint = paint
        self.runs: list[int] = []

    def __call__(self, shown: Sequence[Any], identity: F32 | None) -> list[Any]:
        self.runs.append(len(shown))
        return [self._paint(picture) for picture in shown]


def repainted(
    planes: Planes, landmarks: F32, mesh: FaceMesh, paint: Callable[[Any], Any], size: int = 256
) -> Planes:
    """Copy the planes and repaint the face."""
    copy = Planes(planes.y.copy(), planes.u.copy(), planes.v.copy(), planes.colour)
    repainter = Repainter(Plain(paint, size=size), mesh)
    repainter.meet(0, landmarks[:468])
    assert repainter.swap(copy, 0, landmarks)
    return copy


class TestWhatIsShared:
    @pytest.mark.parametrize(
        "colour",
        [Colour(full_range=True), Colour(), Colour(matrix="bt709"), Colour(matrix="bt2020")],
        ids=["full-601", "limited-601", "limited-709", "limited-2020"],
    )
    @pytest.mark.parametrize("size", [128, 256, 512])
    def test_a_network_that_changes_nothing_leaves_the_picture_as_it_was(
        self, colour: Colour, size: int, group_photo: Path, landmarker: Landmarker, mesh: FaceMesh
    ) -> None:
        """The picture changes by rounding only: to RGB, back, and by the light. It is so smooth that sampling
        it twice loses nothing. The face does not have the size of the network's input."""
        photo = read_picture(group_photo, LIMITS)[:666]
        landmarks = landmarker.find_all(Planes.from_rgb(photo))[0].landmarks
        soft = np.asarray(cv2.GaussianBlur(photo, (0, 0), 3), np.uint8)
        plain = Planes.from_rgb(soft)
        y = plain.y if colour.full_range else (16 + plain.y * (219 / 255)).round().astype(np.uint8)
        before = Planes(y, plain.u, plain.v, colour)
        after = repainted(before, landmarks, mesh, lambda picture: picture, size)
        for old, new in zip((before.y, before.u, before.v), (after.y, after.u, after.v), strict=True):
            difference = np.abs(old.astype(int) - new)
            assert difference.max() <= 4
            assert difference[difference > 0].mean() < 1.3

    def test_the_mask_is_that_of_the_mesh_engine(
        self, portrait: Path, other_portrait: Path, landmarker: Landmarker, mesh: FaceMesh
    ) -> None:
        """The network changes the same skin as the mesh engine, and nothing outside the face."""
        photo = read_picture(other_portrait, LIMITS)
        planes = Planes.from_rgb(photo)
        landmarks = landmarker.find_all(planes)[0].landmarks
        negative = repainted(planes, landmarks, mesh, lambda picture: 255 - picture)
        by_network = negative.y != planes.y
        source = MeshEngine().swapper([find_source_photo(read_picture(portrait, LIMITS), landmarker)], mesh)
        drawn = Planes(planes.y.copy(), planes.u.copy(), planes.v.copy(), planes.colour)
        source.meet(0, mesh.pose(landmarks).to_neutral(landmarks))
        assert source.swap(drawn, 0, landmarks)
        by_mesh = drawn.y != planes.y
        face = np.zeros(planes.y.shape, np.uint8)
        cv2.fillConvexPoly(face, cv2.convexHull(landmarks[list(OVAL), :2].astype(np.int32)), 1)
        inside = cv2.erode(face, np.ones((9, 9), np.uint8)) > 0
        near = cv2.dilate(face, np.ones((17, 17), np.uint8)) > 0
        assert by_network[inside].mean() > 0.97
        assert not by_network[~near].any()
        assert (by_network & by_mesh).sum() > 0.97 * by_mesh.sum()

    def test_the_networks_light_is_made_that_of_the_frame(
        self, other_portrait: Path, landmarker: Landmarker, mesh: FaceMesh
    ) -> None:
        """When the network's answer is too dark and too blue, the result gets the target face's light."""
        planes = Planes.from_rgb(read_picture(other_portrait, LIMITS))
        landmarks = landmarker.find_all(planes)[0].landmarks
        dark = np.array([0.6, 0.6, 0.8])
        after = repainted(planes, landmarks, mesh, lambda picture: (picture * dark).astype(np.uint8))
        x0, y0 = landmarks[list(OVAL), :2].min(0).astype(int)
        x1, y1 = landmarks[list(OVAL), :2].max(0).astype(int)
        place = slice(y0 + 40, y1 - 40), slice(x0 + 30, x1 - 30)
        half = slice(place[0].start // 2, place[0].stop // 2), slice(place[1].start // 2, place[1].stop // 2)
        assert abs(float(after.y[place].mean()) - float(planes.y[place].mean())) < 4
        assert abs(float(after.u[half].mean()) - float(planes.u[half].mean())) < 3
        assert abs(float(after.v[half].mean()) - float(planes.v[half].mean())) < 3

    def test_a_face_turned_away_is_left_alone(
        self, other_portrait: Path, landmarker: Landmarker, mesh: FaceMesh
    ) -> None:
        planes = Planes.from_rgb(read_picture(other_portrait, LIMITS))
        landmarks = landmarker.find_all(planes)[0].landmarks.copy()
        pose = mesh.pose(landmarks)
        turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)  # 90 degrees about the vertical axis.
        turned = pose.to_picture(pose.to_neutral(landmarks) @ turn.T)
        landmarks[:468] = turned + landmarks[:468].mean(0) - turned.mean(0)
        network = Plain(lambda picture: 255 - picture)
        repainter = Repainter(network, mesh)
        repainter.meet(0, landmarks[:468])
        before = planes.y.copy()
        assert not repainter.swap(planes, 0, landmarks)
        assert (planes.y == before).all()
        assert network.runs in ([], [0])


class TestPictures:
    @pytest.mark.parametrize(
        ("make", "name"),
        [
            (lambda folder: graphs.inswapper(folder / graphs.INSWAPPER, tint=0.5), "inswapper_128"),
            (lambda folder: graphs.hyperswap(folder / graphs.HYPERSWAP, tint=0.5), "hyperswap_256"),
            (
                lambda folder: (
                    graphs.ghost(folder / graphs.GHOST, tint=0.5),
                    graphs.crossface(folder / graphs.CROSSFACE),
                ),
                "ghost_256",
            ),
        ],
        ids=["inswapper", "hyperswap", "ghost"],
    )
    def test_each_kind_of_network_swaps_the_face_and_nothing_else(
        self,
        make: Callable[[Path], object],
        name: str,
        image: Callable[[Engine], SwapResult],
        other_portrait: Path,
        landmarker: Landmarker,
        tmp_path: Path,
    ) -> None:
        models = tmp_path / "models"
        models.mkdir()
        graphs.embedder(models / graphs.EMBEDDER)
        make(models)
        done = with_engine(EngineRequest("neural", models_dir=models), image)
        assert (done.engine, done.notes) == (f"neural:{name}", ())
        assert [fact.role for fact in done.facts][:2] == ["swap model", "face embedding model"]
        before, after = (read_picture(path, LIMITS) for path in (other_portrait, tmp_path / "result.png"))
        changed = (before != after).any(2)
        face = landmarker.find_all(Planes.from_rgb(before))[0].face
        rows, columns = np.nonzero(changed)
        assert face.x - 8 < columns.min() < columns.max() < face.x + face.width + 8
        assert face.y - 8 < rows.min() < rows.max() < face.y + face.height + 8
        assert changed.sum() > 0.5 * face.width * face.height

    def test_all_faces_of_a_picture_go_through_the_graph_together(
        self, portrait: Path, group_photo: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        models = graphs.folder(tmp_path / "models", tint=0.6, batch=True)
        one = graphs.folder(tmp_path / "one", tint=0.6)
        results: list[Any] = []
        for folder in (models, one):
            with_engine(
                EngineRequest("neural", models_dir=folder),
                lambda engine: swap_image(
                    {"": portrait},
                    group_photo,
                    tmp_path / "result.png",
                    landmark_model,
                    options=Options(many_faces=True),
                    engine=engine,
                ),
            )
            results.append(read_picture(tmp_path / "result.png", LIMITS))
        assert (results[0] == results[1]).all()
        changed = (results[0] != read_picture(group_photo, LIMITS)).any(2).astype(np.uint8)
        count, _, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(changed, np.ones((9, 9), np.uint8)))
        assert sum(box[cv2.CC_STAT_AREA] > 2000 for box in boxes[1:count]) == 5

    def test_each_face_can_have_its_own_source(
        self, portrait: Path, other_portrait: Path, group_photo: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        """The tiny network paints the colour of its source's embedding, so two sources give two colours."""
        models = graphs.folder(tmp_path / "models", tint=0.9, batch=True)
        made: list[Any] = []
        for sources in ({"face_0": portrait, "face_1": other_portrait}, {"face_0": other_portrait}):
            with_engine(
                EngineRequest("neural", models_dir=models),
                lambda engine, sources=sources: swap_image(
                    sources, group_photo, tmp_path / "result.png", landmark_model, engine=engine
                ),
            )
            made.append(read_picture(tmp_path / "result.png", LIMITS).astype(int))
        both, first = made
        before = read_picture(group_photo, LIMITS)
        other_face = (both != before).any(2) & (first == before).all(2)
        first_face = (first != before).any(2)
        assert other_face.sum() > 2000
        assert (both != first)[first_face].any(1).mean() > 0.3, "the first face has another source"


class TestEnhancing:
    def enhanced(
        self, tmp_path: Path, image: Callable[[Engine], SwapResult], asked: str, gain: float | None
    ) -> EngineOutcome[SwapResult]:
        models = graphs.folder(tmp_path / "models", tint=0.3)
        if gain is not None:
            graphs.enhancer(models / graphs.ENHANCER, gain)
        return with_engine(EngineRequest(asked, enhance=True, models_dir=models), image)

    @pytest.mark.parametrize("asked", ["neural", "mesh"])
    def test_either_engines_work_is_repainted(
        self, asked: str, image: Callable[[Engine], SwapResult], tmp_path: Path
    ) -> None:
        plain = self.enhanced(tmp_path, image, asked, None)
        assert plain.notes == ("enhancer_missing",)
        before = read_picture(tmp_path / "result.png", LIMITS).astype(int)
        done = self.enhanced(tmp_path, image, asked, 0.2)
        assert done.notes == ()
        assert done.facts[-1].role == "face enhancer"
        after = read_picture(tmp_path / "result.png", LIMITS).astype(int)
        changed = np.abs(after - before).max(2)
        assert (changed > 0).sum() > 5000
        assert changed.max() > 20, "less contrast than before"

    def test_an_enhancer_that_fails_costs_a_mesh_swap_nothing_but_a_note(
        self, image: Callable[[Engine], SwapResult], tmp_path: Path
    ) -> None:
        done = self.enhanced(tmp_path, image, "mesh", float("nan"))
        assert (done.engine, done.facts, done.notes) == ("mesh", (), ("enhancer_failed",))
        assert done.result.swapped_frames == 1


class TestChoosing:
    @pytest.fixture
    def with_gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the engine use the processor as if it were a GPU. All other code runs as with a GPU."""
        monkeypatch.setattr(engines, "is_gpu", lambda provider: provider == CPU)
        monkeypatch.setattr(engines, "provider_for", lambda wanted: CPU)

    def test_auto_is_mesh_without_a_gpu_and_needs_no_note(
        self, image: Callable[[Engine], SwapResult], models_dir: Path
    ) -> None:
        done = with_engine(EngineRequest("auto", models_dir=models_dir), image)
        assert (done.engine, done.notes, done.facts) == ("mesh", (), ())

    @pytest.mark.usefixtures("with_gpu")
    def test_auto_is_neural_with_weights_and_a_gpu(
        self, image: Callable[[Engine], SwapResult], models_dir: Path, tmp_path: Path
    ) -> None:
        assert (
            with_engine(EngineRequest("auto", models_dir=models_dir), image).engine == "neural:inswapper_128"
        )
        assert with_engine(EngineRequest("mesh", models_dir=models_dir), image).engine == "mesh"
        without = with_engine(EngineRequest("auto", models_dir=tmp_path), image)
        assert (without.engine, without.notes) == ("mesh", ())

    @pytest.mark.usefixtures("with_gpu")
    @pytest.mark.parametrize(
        ("spoil", "code"),
        [
            (lambda folder: graphs.inswapper(folder / graphs.INSWAPPER, answers=64),
             "neural_weights_unsuitable"),
            (lambda folder: graphs.inswapper(folder / graphs.INSWAPPER, tint=float("nan")), "neural_failed"),
            (lambda folder: _zero_the_end(folder / graphs.INSWAPPER), "neural_weights_damaged"),
            (lambda folder: (folder / f"{graphs.INSWAPPER}.sha256").write_text("0" * 64),
             "neural_weights_wrong"),
        ],
        ids=["wrong shapes", "no numbers", "spoilt content", "wrong hash"],
    )  # fmt: skip
    def test_a_failure_is_an_error_for_who_asked_for_neural_and_a_note_for_who_did_not(
        self,
        spoil: Callable[[Path], object],
        code: str,
        image: Callable[[Engine], SwapResult],
        tmp_path: Path,
    ) -> None:
        models = graphs.folder(tmp_path / "models")
        spoil(models)
        with pytest.raises(NeuralUnavailable) as raised:
            with_engine(EngineRequest("neural", models_dir=models), image)
        assert raised.value.code == code
        assert raised.value.details == {"file": graphs.INSWAPPER}
        done = with_engine(EngineRequest("auto", models_dir=models), image)
        assert (done.engine, done.notes, done.facts) == ("mesh", (f"mesh_instead_{code}",), ())
        assert done.result.swapped_frames == 1

    @pytest.mark.filterwarnings("ignore:Specified provider")
    def test_a_gpu_that_the_runtime_cannot_use_is_no_gpu(
        self, image: Callable[[Engine], SwapResult], models_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The runtime changes to the processor without an error. Only its list of providers shows that."""
        monkeypatch.setattr(engines, "provider_for", lambda wanted: COREML)
        done = with_engine(EngineRequest("auto", models_dir=models_dir), image)
        assert (done.engine, done.notes) == ("mesh", ("mesh_instead_neural_without_gpu",))
        assert (
            with_engine(EngineRequest("neural", models_dir=models_dir), image).engine
            == "neural:inswapper_128"
        )

    def test_without_the_runtime_neural_says_what_to_install(
        self,
        image: Callable[[Engine], SwapResult],
        models_dir: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for module in (engines, running, providers):
            monkeypatch.setattr(module, "installed", lambda: False)
        with pytest.raises(NeuralUnavailable, match="install onnxruntime"):
            with_engine(EngineRequest("neural", models_dir=models_dir), image)
        assert with_engine(EngineRequest("auto", models_dir=models_dir), image).engine == "mesh"

    def test_providers_are_chosen_by_what_is_built_in_and_what_is_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import onnxruntime

        built_in = [CUDA, COREML, CPU]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: built_in)
        monkeypatch.setattr(providers, "_cuda_devices", lambda: 0)
        assert providers.gpu() == COREML
        monkeypatch.setattr(providers, "_cuda_devices", lambda: 1)
        assert (providers.gpu(), providers.provider_for("cuda")) == (CUDA, CUDA)
        assert providers.provider_for("CPUExecutionProvider") == CPU
        built_in[:] = [DIRECTML, OPENVINO, CPU]
        assert providers.provider_for("") == DIRECTML
        built_in[:] = [ROCM, OPENVINO, CPU]
        monkeypatch.setattr(providers, "_AMD_DRIVER", Path(__file__))
        assert providers.provider_for("") == ROCM
        monkeypatch.setattr(providers, "_AMD_DRIVER", Path(__file__) / "none")
        assert (providers.gpu(), providers.provider_for("")) == (None, OPENVINO)
        assert not providers.is_gpu(OPENVINO)
        assert providers.provider_for("cpu") == CPU
        built_in[:] = [CPU]
        assert (providers.gpu(), providers.provider_for("")) == (None, CPU)

    def test_file_kind_and_provider_are_in_the_log(
        self,
        image: Callable[[Engine], SwapResult],
        models_dir: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with caplog.at_level(logging.INFO, "faceswap.engine"):
            with_engine(EngineRequest("neural", models_dir=models_dir), image)
        assert f"{graphs.INSWAPPER} (inswapper_128) runs on {CPU}" in caplog.messages
        assert any("licence: unknown" in message for message in caplog.messages)


def _zero_the_end(path: Path) -> None:
    """Damage the file as an interrupted download does on some disks: right length, but zeros at the end."""
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes(len(content) - 200))


class TestVideos:
    def test_several_frames_faces_go_through_the_graph_together(
        self, portrait: Path, face_video: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        """Every frame of the result is the same as without overlap."""
        shown: list[list[Any]] = []
        for batch in (True, False):
            models = graphs.folder(tmp_path / f"models-{batch}", tint=0.6, batch=batch)
            runs: list[int] = []
            result = tmp_path / f"{batch}.mp4"

            def run(engine: Engine, result: Path = result, runs: list[int] = runs) -> SwapResult:
                network: Network = engine._network
                original = network.graph._session.run
                network.graph._session = _Counting(original, runs)
                return swap_video({"": portrait}, face_video, result, landmark_model, engine=engine)

            done = with_engine(EngineRequest("neural", models_dir=models), run)
            assert (done.result.frames, done.result.swapped_frames) == (72, 72)
            assert sum(runs) == 72
            assert max(runs) == (8 if batch else 1)
            shown.append(pictures(result))
        assert len(shown[0]) == len(shown[1]) == 72
        assert all((one == other).all() for one, other in zip(*shown, strict=True))

    def test_faces_that_come_and_go_are_swapped_while_they_are_there(
        self, portrait: Path, leaving_video: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        models = graphs.folder(tmp_path / "models", tint=0.6, batch=True)
        done = with_engine(
            EngineRequest("neural", models_dir=models),
            lambda engine: swap_video(
                {"": portrait}, leaving_video, tmp_path / "result.mp4", landmark_model, engine=engine
            ),
        )
        assert done.result.frames == 169
        assert 60 < done.result.swapped_frames < 110


class _Counting:
    """A session that records how many pictures it gets."""

    def __init__(self, run: Callable[..., Any], runs: list[int]) -> None:
        self._run, self._runs = run, runs

    def run(self, names: Any, feed: dict[str, Any]) -> Any:
        self._runs.append(len(feed["target"]))
        return self._run(names, feed)


class TestTheChild:
    @pytest.fixture
    def weights_dir(self, landmark_model: Path) -> Path:
        return landmark_model.parent

    def spec(
        self,
        kind: Literal["image", "video"],
        source: Path,
        target: Path,
        result: Path,
        weights_dir: Path,
        models: Path,
    ) -> SwapSpec:
        spec = child.swap_spec(kind, source, target, result, weights_dir, engine="neural")
        return replace(spec, models_dir=models)

    def test_it_tells_which_engine_ran_on_which_files(
        self, portrait: Path, face_video: Path, weights_dir: Path, models_dir: Path, tmp_path: Path
    ) -> None:
        spec = self.spec("video", portrait, face_video, tmp_path / "result.mp4", weights_dir, models_dir)
        answer = child.run(spec)
        assert answer.status == 0
        assert answer.last["engine"] == "neural:inswapper_128"
        assert (answer.last["frames"], answer.last["swapped_frames"]) == (72, 72)
        (swap, embed) = answer.last["weights"]
        assert (swap["file"], embed["file"]) == (graphs.INSWAPPER, graphs.EMBEDDER)
        assert len(swap["sha256"]) == 64
        assert f"runs on {CPU}" in answer.stderr

    @pytest.mark.parametrize("name", [graphs.INSWAPPER, graphs.EMBEDDER])
    def test_a_truncated_file_is_named(
        self, name: str, portrait: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        models = graphs.folder(tmp_path / "models")
        content = (models / name).read_bytes()
        (models / name).write_bytes(content[: len(content) // 2])
        result = tmp_path / "result.png"
        answer = child.run(self.spec("image", portrait, portrait, result, weights_dir, models))
        assert answer.error == ("neural_weights_damaged", {"file": name})
        assert not result.exists()

    def test_no_weights_say_which_are_missing(
        self, portrait: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        spec = self.spec("image", portrait, portrait, tmp_path / "result.png", weights_dir, tmp_path)
        assert child.run(spec).error == ("neural_weights_missing", {"missing": "swap model"})

    def test_a_graph_that_wants_too_much_memory_says_so(
        self, portrait: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        models = graphs.folder(tmp_path / "models")
        graphs.greedy(models / graphs.INSWAPPER)
        spec = self.spec("image", portrait, portrait, tmp_path / "result.png", weights_dir, models)
        assert child.run(spec).error == ("neural_out_of_memory", {"file": graphs.INSWAPPER})

    @pytest.mark.parametrize("way", ["kill", "orphan"])
    def test_a_stop_in_the_middle_of_a_run_of_the_graph_takes_no_frame_longer(
        self, way: str, portrait: Path, face_video: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        """The graph would compute for hours. Only the end of the process stops it."""
        models = graphs.folder(tmp_path / "models")
        graphs.endless(models / graphs.INSWAPPER)
        spec = self.spec("video", portrait, face_video, tmp_path / "result.mp4", weights_dir, models)
        with child.start(spec) as process:
            assert process.stdin and process.stdout

            starting_s = 1.5
            wait_until(lambda: child.processor_s(process.pid) > starting_s + 1, "the graph computes", 60)
            before_s = child.processor_s(process.pid) + child.processor_s_of_ended_children()
            if way == "kill":
                process.kill()
            else:
                process.stdin.close()
            process.wait(20 * PATIENCE)
            assert child.processor_s_of_ended_children() - before_s < 5 * child.CORES, "it computed on"
            assert b"done" not in process.stdout.read()
        assert [entry.name for entry in tmp_path.iterdir()] == ["models"]

    def test_the_memory_does_not_grow_with_the_length_of_a_video(
        self, portrait: Path, puppet_video: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        from tests.media import transcode

        models = graphs.folder(tmp_path / "models", tint=0.6, batch=True)
        peaks: list[float] = []
        for loops in (3, 12):
            clip = transcode(
                puppet_video, tmp_path / f"small-{loops}.mp4", frames=None, loops=loops, size=(320, 180),
                preset="ultrafast",
            )  # fmt: skip
            spec = self.spec("video", portrait, clip, tmp_path / "result.mp4", weights_dir, models)
            peaks.append(self.peak_mb(spec, frames=90 * loops))
        assert peaks[1] - peaks[0] < 12

    def peak_mb(self, spec: SwapSpec, frames: int) -> float:
        """Return the peak memory of the child in MB.

        Another process runs the child, so that it is that process's only child.
        """
        import subprocess
        import sys

        code = (
            "import json, resource, sys; from tests import child;"
            "from faceswap.engine.child.contract import spec_from_json;"
            "answer = child.run(spec_from_json(json.loads(sys.argv[1])));"
            "print(json.dumps([answer.last, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, json.dumps(spec_to_json(spec))],
            capture_output=True,
            text=True,
            check=True,
        )
        last, peak_kb = json.loads(done.stdout)
        assert (last["event"], last["swapped_frames"]) == ("done", frames)
        return peak_kb / 1024

    @pytest.mark.engine
    def test_the_check_runs_every_graph(self, models_dir: Path, tmp_path: Path) -> None:
        spec = ModelsSpec(limits=child.LIMITS, models_dir=models_dir)
        answer = child.run(spec)
        assert (answer.last["engine"], answer.last["provider"]) == ("neural:inswapper_128", CPU)
        spoilt = graphs.folder(tmp_path / "spoilt")
        graphs.enhancer(spoilt / graphs.ENHANCER, float("nan"))
        answer = child.run(replace(spec, models_dir=spoilt))
        assert answer.error == ("neural_failed", {"file": graphs.ENHANCER})

    def test_addresses_are_limited_unless_a_gpu_may_be_used(
        self, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = self.spec("image", tmp_path, tmp_path, tmp_path, tmp_path, models_dir)
        spec = replace(spec, options=Options(engine="auto"))
        assert not may_use_gpu(spec)
        monkeypatch.setattr(providers, "provider_for", lambda wanted: CPU if wanted == "cpu" else CUDA)
        assert may_use_gpu(spec)
        assert may_use_gpu(ModelsSpec(limits=child.LIMITS, models_dir=models_dir))
        assert not may_use_gpu(replace(spec, options=Options(engine="mesh")))
        assert not may_use_gpu(replace(spec, options=Options(execution_provider="cpu")))
        assert not may_use_gpu(replace(spec, models_dir=tmp_path))
        assert not may_use_gpu(replace(spec, models_dir=None))
        assert not may_use_gpu(child.inspect_spec(tmp_path, tmp_path))


def test_unsuitable_files_beside_suitable_ones_do_no_harm(
    image: Callable[[Engine], SwapResult], tmp_path: Path
) -> None:
    models = graphs.folder(tmp_path / "models")
    (models / "notes.onnx").write_bytes(b"not a graph")
    graphs.swapper(models / "other.onnx", 96)
    assert len(read_weights_folder(models).files) == 2
    assert with_engine(EngineRequest("neural", models_dir=models), image).engine == "neural:inswapper_128"


def test_colours_survive_the_way_to_rgb_and_back(puppet_video: Path) -> None:
    with VideoReader(puppet_video, LIMITS) as reader:
        planes = Planes(*next(reader.frames()).planes(), reader.colour)
    region = Region(320, 180, 256)
    luma, _ = to_yuv(planes.crop_colours(region, 256), planes.colour)
    assert np.abs(luma.astype(int) - planes.y[52:308, 192:448]).mean() < 1
