"""Enhancers, masks and larger pictures: each network runs by its own contract. A task can choose a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from faceswap.engine.engines import EngineRequest, with_engine
from faceswap.engine.face.align import aligned
from faceswap.engine.face.landmarks import Found, Landmarker
from faceswap.engine.mesh.paste import box_around
from faceswap.engine.mesh.source import SourcePhoto
from faceswap.engine.neural.contracts import ENHANCERS, FFHQ, MASKS, SWAPPERS, Contract, Role
from faceswap.engine.neural.graphs import Graph
from faceswap.engine.neural.inventory import WeightsCache
from faceswap.engine.neural.masks import MaskNetwork
from faceswap.engine.neural.networks import Identity, Network
from faceswap.engine.neural.providers import CPU
from faceswap.engine.neural.weights import WeightsFile, read_weights_folder
from faceswap.engine.occlusion import FaceView
from faceswap.engine.options import Options
from faceswap.engine.planes import F32, U8, Planes
from faceswap.errors import NeuralModelUnknown, NeuralOutOfMemory
from faceswap.media import Limits, read_picture
from tests import graphs


def picture(side: int) -> U8:
    return np.random.default_rng(3).integers(20, 236, (side, side, 3), np.uint8)


def only_file(folder: Path) -> WeightsFile:
    (found,) = read_weights_folder(folder).files
    return found


def an_enhancer(path: Path, side: int, *, larger: int = 1, weight: tuple[int, ...] | None = None) -> Path:
    """It answers with the square of its picture, as values of 0..1; with `weight`, that share of it."""
    nodes = [
        helper.make_node("Mul", ["input", "half"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], ["seen"]),
        helper.make_node("Mul", ["seen", "seen"], ["squared"]),
    ]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])]
    if weight is not None:
        inputs.append(helper.make_tensor_value_info("weight", TensorProto.DOUBLE, weight))
        nodes += [
            helper.make_node("Cast", ["weight"], ["share"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["squared", "share"], ["part"]),
        ]
    nodes += [
        helper.make_node("Div", ["part" if weight is not None else "squared", "half"], ["wide"]),
        helper.make_node("Sub", ["wide", "one"], ["small"]),
        helper.make_node("Resize", ["small", "", "scales"], ["output"], mode="nearest"),
    ]
    constants = {"half": 0.5, "one": 1.0, "scales": [1.0, 1.0, larger, larger]}
    tensors = [
        numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()
    ]
    outputs = [
        helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, larger * side, larger * side])
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


class TestEnhancers:
    @pytest.mark.parametrize(
        ("model", "form"),
        [
            ("enhancer_512", {"side": 512}),
            ("codeformer", {"side": 512, "weight": ()}),
            ("codeformer", {"side": 512, "weight": (1,)}),
            ("gfpgan_1024", {"side": 512, "larger": 2}),
            ("gpen_bfr_1024", {"side": 1024}),
            ("gpen_bfr_2048", {"side": 2048}),
            ("gpen_bfr_256", {"side": 256}),
        ],
    )
    def test_each_is_known_by_its_form_and_right_under_its_contract(
        self, model: str, form: dict[str, Any], tmp_path: Path
    ) -> None:
        path = an_enhancer(tmp_path / "any.onnx", **form)
        if model == "gpen_bfr_256":
            assert [one.role for one in read_weights_folder(tmp_path).ambiguous] == [Role.ENHANCER]
            graphs.named(path, model)
        file = only_file(tmp_path)
        assert (file.role, file.model, file.contract) == (Role.ENHANCER, model, ENHANCERS[model])
        shown = picture(form["side"])
        (found,) = Network(Graph(file, CPU), ENHANCERS[model], weight=0.75)([shown], None)
        right = 255 * (shown / 255) ** 2 * (0.75 if "weight" in form else 1)
        larger = form.get("larger", 1)
        assert np.abs(found - right.repeat(larger, 0).repeat(larger, 1)).max() <= 1

    @pytest.mark.parametrize(
        "form",
        [{"side": 512, "larger": 4}, {"side": 256, "larger": 4}, {"side": 160}, {"side": 1024, "larger": 2}],
    )
    def test_any_other_form_is_unsuitable(self, form: dict[str, Any], tmp_path: Path) -> None:
        an_enhancer(tmp_path / "any.onnx", **form)
        assert read_weights_folder(tmp_path).unsuitable == ("any.onnx",)


def a_parser(path: Path) -> Path:
    """A face parser that finds skin where red is more than half, and the background elsewhere."""
    mean, spread = np.float32(0.485), np.float32(0.229)
    others = np.full((1, 17, 512, 512), -9, np.float32)
    nodes = [
        helper.make_node("Split", ["input", "ones"], ["red", "green", "blue"], axis=1),
        helper.make_node("Mul", ["red", "spread"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean"], ["seen"]),
        helper.make_node("Mul", ["seen", "zero"], ["none"]),
        helper.make_node("Add", ["none", "half"], ["background"]),
        helper.make_node("Concat", ["background", "seen", "others"], ["output"], axis=1),
    ]
    constants = {
        "ones": np.array([1, 1, 1], np.int64),
        "spread": spread,
        "mean": mean,
        "zero": np.float32(0),
        "half": np.float32(0.5),
        "others": others,
    }
    return graphs.save(path, nodes, {"input": (1, 3, 512, 512)}, {"output": (1, 19, 512, 512)}, constants)


def an_occluder(path: Path) -> Path:
    """XSeg's form: the face is visible as far as the picture is red."""
    nodes = [helper.make_node("Slice", ["in_face:0", "first", "second", "axis"], ["out_mask:0"])]
    constants = {
        name: np.array([value], np.int64) for name, value in (("first", 0), ("second", 1), ("axis", 3))
    }
    return graphs.save(
        path, nodes, {"in_face:0": ("N", 256, 256, 3)}, {"out_mask:0": ("N", 256, 256, 1)}, constants
    )


class TestMasks:
    @pytest.mark.parametrize(
        ("make", "role", "model"),
        [(a_parser, Role.PARSER, "bisenet_512"), (an_occluder, Role.OCCLUDER, "xseg_256")],
    )
    def test_what_is_not_the_face_is_covered(
        self, make: Any, role: Role, model: str, landmark_model: Path, portrait: Path, tmp_path: Path
    ) -> None:
        make(tmp_path / "any.onnx")
        file = only_file(tmp_path)
        assert (file.role, file.model, file.mask) == (role, model, MASKS[model])
        photo = read_picture(portrait, Limits())
        landmarks = Landmarker(landmark_model).find_all(Planes.from_rgb(photo))[0].landmarks
        middle = int(landmarks[:, 0].mean())
        coloured = np.full_like(photo, 90)
        coloured[:, :middle] = (255, 0, 0)  # On the left all is face, on the right nothing is.
        coloured[:, middle:] = (0, 0, 255)
        planes = Planes.from_rgb(coloured)
        box = box_around(planes, landmarks)
        assert box is not None
        view = FaceView(planes, 0, landmarks, box, (100, 100))
        cover = MaskNetwork(Graph(file, CPU), MASKS[model]).cover(view)
        assert cover is not None and cover.shape == (100, 100)
        border = (middle - box.x) / box.width * 100
        known = aligned(landmarks, MASKS[model].template)
        inside = box.y + box.height / 2 < known.y + known.side / 2
        assert inside
        assert cover[20:80, : int(border) - 4].max() < 0.05
        assert cover[20:80, int(border) + 4 : 80].min() > 0.95

    def test_outside_the_crop_nothing_is_covered(
        self, landmark_model: Path, portrait: Path, tmp_path: Path
    ) -> None:
        an_occluder(tmp_path / "any.onnx")
        photo = read_picture(portrait, Limits())
        landmarks = Landmarker(landmark_model).find_all(Planes.from_rgb(photo))[0].landmarks
        planes = Planes.from_rgb(np.zeros_like(photo))
        whole = box_around(planes, landmarks.mean(0) + 4 * (landmarks - landmarks.mean(0)))
        assert whole is not None
        cover = MaskNetwork(Graph(only_file(tmp_path), CPU), MASKS["xseg_256"]).cover(
            FaceView(planes, 0, landmarks, whole, (64, 64))
        )
        assert cover is not None
        assert cover[32, 32] > 0.999
        assert cover[:, 0].max() == 0


class TestLargerPictures:
    def test_every_pixel_goes_through_the_network_once(self, tmp_path: Path) -> None:
        file = only_file_of(an_enhancer(tmp_path / "any.onnx", 512))
        network = Network(Graph(file, CPU), Contract(512, FFHQ, identity="none"), boost=2)
        assert (network.contract.size, network.contract.result_size) == (1024, 1024)
        shown = picture(1024)
        (found,) = network([shown], None)
        assert np.abs(found - 255 * (shown / 255) ** 2).max() <= 1

    def test_the_pictures_of_a_face_look_alike(self) -> None:
        """Each holds every second pixel, so each shows the whole face."""
        seen: list[U8] = []
        smooth = np.asarray(cv2.GaussianBlur(picture(256), (0, 0), 12), np.uint8)
        network = Network(Same(seen), Contract(128, FFHQ, identity="none"), boost=2)
        (found,) = network([smooth], None)
        assert (found == smooth).all()
        assert len(seen) == 4
        assert all(np.abs(one - seen[0]).max() < 0.1 for one in seen)

    def test_too_little_memory_halves_what_is_computed_at_once(self) -> None:
        seen: list[U8] = []
        network = Network(Same(seen, most=3), Contract(64, FFHQ, identity="none"))
        assert network.at_once == 8
        shown = [picture(64) + np.uint8(number) for number in range(9)]
        found = network(shown, None)
        assert all((one == other).all() for one, other in zip(found, shown, strict=True))
        assert network.at_once == 2
        with pytest.raises(NeuralOutOfMemory):
            Network(Same(seen, most=0), Contract(64, FFHQ, identity="none"))(shown, None)


class Same(Graph):
    """A graph that answers with its pictures, and has memory for `most` of them."""

    def __init__(self, seen: list[U8], most: int = 100) -> None:
        self.file, self.seen, self.most = "same.onnx", seen, most

    @property
    def takes_many(self) -> bool:
        return True

    def __call__(self, inputs: Sequence[Any], shape: tuple[int, ...], weight: float | None = None) -> Any:
        if len(inputs[0]) > self.most:
            raise NeuralOutOfMemory(file=self.file)
        self.seen += list(inputs[0])
        return inputs[0]


def only_file_of(path: Path) -> WeightsFile:
    return only_file(path.parent)


class TestChoosing:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        graphs.embedder(tmp_path / graphs.EMBEDDER)
        graphs.inswapper(tmp_path / graphs.INSWAPPER)
        graphs.hyperswap(tmp_path / "hyperswap_1a_256.onnx")
        graphs.hyperswap(tmp_path / "hyperswap_1b_256.onnx")
        return tmp_path

    @pytest.mark.parametrize(
        ("wanted", "file"),
        [
            ("", "hyperswap_1a_256"),
            ("hyperswap_1b_256", "hyperswap_1b_256"),
            ("Inswapper_128.onnx", "inswapper_128"),
            ("hyperswap_256", "hyperswap_1a_256"),
        ],
    )
    def test_a_task_names_the_file_or_its_model(self, wanted: str, file: str, folder: Path) -> None:
        chosen = read_weights_folder(folder).with_swapper(wanted)
        assert chosen.need(Role.SWAPPER).name == file
        assert chosen.embedder().path.name == graphs.EMBEDDER

    @pytest.mark.parametrize("wanted", ["ghost_256", "w600k_r50", "../inswapper_128"])
    def test_what_is_no_swap_model_of_the_folder_is_refused(self, wanted: str, folder: Path) -> None:
        with pytest.raises(NeuralModelUnknown, match="There is no swap model"):
            read_weights_folder(folder).with_swapper(wanted)


def test_every_file_is_listed_with_its_role_and_what_keeps_it_from_being_used(tmp_path: Path) -> None:
    graphs.embedder(tmp_path / "a.onnx")
    graphs.embedder(tmp_path / "b.onnx", stated=False)
    graphs.hyperswap(tmp_path / "c.onnx")
    graphs.inswapper(tmp_path / "d.onnx")
    graphs.crossface(tmp_path / "e.onnx")
    graphs.enhancer(tmp_path / "f.onnx")
    graphs.enhancer(tmp_path / "g.onnx", gain=0.5)
    graphs.swapper(tmp_path / "h.onnx", 256)
    graphs.swapper(tmp_path / "i.onnx", 160)
    (tmp_path / "j.onnx").write_bytes(b"none")
    (graphs.inswapper(tmp_path / "k.onnx").parent / "k.onnx.sha256").write_text("0" * 64)
    a_parser(tmp_path / "l.onnx")
    an_occluder(tmp_path / "m.onnx")
    found = WeightsCache().inventory(tmp_path)
    assert {one.file[0]: (one.role, one.use) for one in found.files} == {
        "a": ("face embedding model", "used"),
        "b": ("face embedding model", "spare"),
        "c": ("swap model", "used"),
        "d": ("swap model", "choice"),
        "e": ("embedding converter", "unneeded"),
        "f": ("face enhancer", "used"),
        "g": ("face enhancer", "spare"),
        "h": ("swap model", "ambiguous"),
        "i": ("", "unsuitable"),
        "j": ("", "damaged"),
        "k": ("swap model", "wrong_digest"),
        "l": ("face parser", "used"),
        "m": ("occluder model", "used"),
    }
    assert found.swappers == ("c", "d", "k")
    assert set(found.unusable) == {"h.onnx", "i.onnx", "j.onnx", "k.onnx"}
    (tmp_path / "a.toml").unlink()
    uses = {one.file[0]: one.use for one in WeightsCache().inventory(tmp_path).files}
    assert (uses["a"], uses["b"]) == ("unnamed", "unnamed")
    graphs.ghost(tmp_path / "n.onnx")
    assert {one.file[0]: one.use for one in WeightsCache().inventory(tmp_path).files}["e"] == "choice"


class Embedder:
    """Stands for a graph: embeds a face as the mean of its red, green and blue, times 3."""

    def __call__(self, inputs: Sequence[F32], shape: tuple[int, ...]) -> F32:
        face = np.zeros((1, 512), np.float32)
        face[0, :3] = 3 * inputs[0].mean((0, 2, 3))
        return face


class TestWeight:
    RED, BLUE = (230, 40, 40), (40, 40, 230)

    @pytest.fixture
    def found(self, portrait: Path, landmark_model: Path) -> Found:
        picture = read_picture(portrait, Limits())
        return Landmarker(landmark_model).find_all(Planes.from_rgb(picture))[0]

    def photo(self, found: Found, colour: tuple[int, int, int]) -> SourcePhoto:
        return SourcePhoto(np.full((512, 512, 3), colour, np.uint8), found, 1)

    @pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 0.75])
    def test_the_person_lies_between_source_and_target(self, found: Found, weight: float) -> None:
        identity = Identity("normalised", cast("Graph", Embedder()))
        source, target = (self.photo(found, colour) for colour in (self.RED, self.BLUE))
        whole, own = identity.of([source]), identity.of([target])
        mix = identity.mixed([source], weight)
        assert mix
        mixed = mix(Planes.from_rgb(target.picture), found.landmarks)
        wanted = weight * whole + (1 - weight) * own
        assert mixed == pytest.approx(wanted / np.linalg.norm(wanted), abs=0.02)

    def test_several_photos_give_their_mean(self, found: Found) -> None:
        identity = Identity("converted", cast("Graph", Embedder()), cast("Graph", Unchanged()))
        red, blue = (self.photo(found, colour) for colour in (self.RED, self.BLUE))
        mean = (identity.of([red]) + identity.of([blue])) / 2
        assert identity.of([red, blue]) == pytest.approx(mean, abs=1e-4)

    def test_a_network_gets_each_faces_own_person(self) -> None:
        """With a boost, all pictures of one face get the same."""
        told: list[F32] = []

        class Told(Same):
            def __call__(self, inputs: Sequence[Any], shape: tuple[int, ...], weight: Any = None) -> Any:
                told.extend(inputs[1])
                return inputs[0]

        network = Network(Told([]), Contract(64, FFHQ), boost=2)
        persons = [np.full(512, number, np.float32) for number in (1, 2)]
        network([picture(128), picture(128)], persons)
        assert [float(one[0]) for one in told] == [1, 1, 1, 1, 2, 2, 2, 2]

    def test_what_takes_a_picture_of_the_source_cannot_mix(self, found: Found) -> None:
        contract = SWAPPERS["uniface_256"]
        identity = Identity(contract.identity, picture=contract.source)
        assert identity.mixed([self.photo(found, self.RED)], 0.5) is None

    def test_a_note_says_that_the_weight_has_no_effect(self) -> None:
        for weight, notes in ((1.0, ()), (0.5, ("swap_weight_unused",))):
            request = EngineRequest("mesh", options=Options(swap_weight=weight))
            assert with_engine(request, lambda engine: engine.name).notes == notes


class Unchanged:
    def __call__(self, inputs: Sequence[F32], shape: tuple[int, ...]) -> F32:
        return inputs[0]
