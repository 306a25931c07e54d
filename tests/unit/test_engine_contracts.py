"""Each published swapper runs by its own contract, and every doubtful file is refused with a reason."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from faceswap.engine.neural import weights
from faceswap.engine.neural.contracts import SWAPPERS, TEMPLATES, VALUES, Contract, Role
from faceswap.engine.neural.graphs import Graph
from faceswap.engine.neural.inventory import WeightsCache
from faceswap.engine.neural.networks import Identity, Network
from faceswap.engine.neural.providers import CPU
from faceswap.engine.neural.published import Known
from faceswap.engine.neural.weights import read_weights_folder
from faceswap.errors import NeuralWeightsAmbiguous
from tests import graphs


def true_to(path: Path, model: str) -> Path:
    """Make a swapper that answers with the square of the target, as values of 0..1.

    It does so only if both pictures and the identity have the form that its contract says. If the length of
    the identity is not 1, the picture gets brighter.
    """
    contract = SWAPPERS[model]
    side = contract.size

    def triple(values: object) -> np.ndarray:
        return np.asarray(values, np.float32).reshape(1, 3, 1, 1)

    constants: dict[str, object] = {
        "in_spread": triple(contract.values_in.spread),
        "in_mean": triple(contract.values_in.mean),
        "out_spread": triple(contract.values_out.spread),
        "out_mean": triple(contract.values_out.mean),
        "one": np.float32(1),
    }
    nodes = [
        helper.make_node("Mul", ["target", "in_spread"], ["scaled"]),
        helper.make_node("Add", ["scaled", "in_mean"], ["seen"]),
        helper.make_node("ReduceSumSquare", ["source"], ["length"], keepdims=0),
        helper.make_node("Sub", ["length", "one"], ["wrong"]),
        helper.make_node("Abs", ["wrong"], ["fault"]),
        helper.make_node("Mul", ["seen", "seen"], ["squared"]),
        helper.make_node("Add", ["squared", "fault"], ["spoilt"]),
        helper.make_node("Sub", ["spoilt", "out_mean"], ["moved"]),
        helper.make_node("Div", ["moved", "out_spread"], ["output"]),
    ]
    source: graphs.Dims = (1, 512)
    if contract.source is not None:
        source = (1, 3, contract.source.size, contract.source.size)
    outputs: dict[str, graphs.Dims] = {"output": (1, 3, side, side)}
    if model == "hyperswap_256":
        nodes.append(helper.make_node("ReduceMean", ["target"], ["mask"], axes=[1], keepdims=1))
        outputs["mask"] = (1, 1, side, side)
    if contract.identity == "projected":
        constants["emap"] = graphs.projection()
    return graphs.save(path, nodes, {"target": (1, 3, side, side), "source": source}, outputs, constants)


def picture(side: int) -> np.ndarray:
    return np.random.default_rng(3).integers(20, 236, (side, side, 3), np.uint8)


def only_file(folder: Path) -> weights.WeightsFile:
    (found,) = [file for file in read_weights_folder(folder).files if file.role is Role.SWAPPER]
    return found


@pytest.mark.parametrize("model", SWAPPERS)
def test_every_swapper_is_right_under_its_own_contract(model: str, tmp_path: Path) -> None:
    graphs.named(true_to(tmp_path / "any.onnx", model), model)
    file = only_file(tmp_path)
    assert (file.model, file.contract) == (model, SWAPPERS[model])
    graph, shown = Graph(file, CPU), picture(SWAPPERS[model].size)
    identity = np.zeros(512, np.float32)
    identity[0] = 1
    if (source := SWAPPERS[model].source) is not None:
        identity = np.zeros((3, source.size, source.size), np.float32)
        identity[0, 0, 0] = 1
    right = 255 * (shown / 255) ** 2
    (found,) = Network(graph, SWAPPERS[model])([shown], identity)
    assert np.abs(found - right).max() <= 1
    own = SWAPPERS[model]
    for other in SWAPPERS.values():
        if (other.values_in, other.values_out) == (own.values_in, own.values_out):
            continue
        foreign = Contract(own.size, own.template, other.values_in, other.values_out)
        (found,) = Network(graph, foreign)([shown], identity)
        assert np.abs(found - right).mean() > 10


@pytest.mark.parametrize(
    "model", ["ghost_256", "simswap_256", "hififace_unofficial_256", "simswap_unofficial_512", "uniface_256"]
)
def test_a_graph_that_fits_several_models_is_refused_in_words(model: str, tmp_path: Path) -> None:
    true_to(tmp_path / f"{model}.onnx", model)
    graphs.embedder(tmp_path / graphs.EMBEDDER)
    with pytest.raises(NeuralWeightsAmbiguous, match=rf"{model}\.onnx could be .* a file {model}\.toml"):
        read_weights_folder(tmp_path).need(Role.SWAPPER)
    assert WeightsCache().inventory(tmp_path).unusable == (f"{model}.onnx",)


@pytest.mark.parametrize("model", ["inswapper_128", "hyperswap_256", "blendswap_256"])
def test_a_graph_that_fits_one_model_needs_no_sidecar(model: str, tmp_path: Path) -> None:
    true_to(tmp_path / "any.onnx", model)
    assert only_file(tmp_path).model == model


@pytest.mark.parametrize(
    "said",
    [
        "",
        "model = 7",
        "not toml",
        'model = "inswapper_128"',
        'model = "reswapper_256"',  # this graph contains no matrix
        'model = "mine"',
        'model = "ghost_256"\ntemplate = "mine"',
        'model = "ghost_256"\nnorm_in = 3',
        'model = "crossface_ghost"',
    ],
)
def test_a_sidecar_that_cannot_be_true_leaves_the_file_ambiguous(said: str, tmp_path: Path) -> None:
    true_to(tmp_path / "any.onnx", "ghost_256").with_suffix(".toml").write_text(said, encoding="utf-8")
    assert [one.path.name for one in read_weights_folder(tmp_path).ambiguous] == ["any.onnx"]


def test_a_sidecar_can_describe_a_model_that_nobody_published(tmp_path: Path) -> None:
    graphs.named(
        true_to(tmp_path / "any.onnx", "simswap_256"),
        "mine",
        template="mtcnn_512",
        norm_in="imagenet",
        norm_out="0..1",
        embedding="normalised",
    )
    contract = only_file(tmp_path).contract
    assert contract == Contract(256, TEMPLATES["mtcnn_512"], VALUES["imagenet"], VALUES["0..1"], "normalised")


class TestPartners:
    @pytest.fixture
    def mixed(self, tmp_path: Path) -> Path:
        """A folder with all swappers, three converters whose names sort in the wrong order, two embedders."""
        for model in SWAPPERS:
            graphs.named(true_to(tmp_path / f"{model}.onnx", model), model)
        for number, model in enumerate(("crossface_simswap", "crossface_ghost", "crossface_hififace")):
            graphs.named(graphs.crossface(tmp_path / f"{number}.onnx"), model)
        graphs.embedder(tmp_path / "cscs_arcface_model.onnx", stated=False)
        graphs.embedder(tmp_path / "w600k_r50.onnx", stated=False)
        content = (tmp_path / "w600k_r50.onnx").read_bytes()
        (tmp_path / "w600k_r50.onnx").write_bytes(content + b"\x72\x01x")  # another digest, the same graph
        return tmp_path

    def test_each_swapper_gets_its_own_converter(self, mixed: Path) -> None:
        folder = read_weights_folder(mixed)
        assert (folder.ambiguous, folder.unsuitable, folder.damaged) == ((), (), ())
        for file in folder.files:
            if file.role is Role.SWAPPER:
                found = folder.converter(file)
                assert (found.model if found else None) == SWAPPERS[file.model].converter

    def test_no_other_converter_stands_in(self, mixed: Path) -> None:
        for path in (
            *mixed.glob("1.*"),
            *(mixed / f"{name}.onnx" for name in SWAPPERS if name != "ghost_256"),
        ):
            path.unlink()
        folder = read_weights_folder(mixed)
        assert folder.missing == (Role.CONVERTER,)

    def test_the_published_embedder_is_taken_whatever_the_names_are(
        self, mixed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(NeuralWeightsAmbiguous, match=r"cscs_arcface_model\.toml"):
            read_weights_folder(mixed).embedder()
        digest = hashlib.sha256((mixed / "w600k_r50.onnx").read_bytes()).hexdigest()
        monkeypatch.setattr(weights, "KNOWN", {digest: Known("w600k_r50", "insightface")})
        assert read_weights_folder(mixed).embedder().path.name == "w600k_r50.onnx"

    def test_a_lone_unknown_embedder_is_refused_in_words(self, tmp_path: Path) -> None:
        graphs.inswapper(tmp_path / graphs.INSWAPPER)
        graphs.embedder(tmp_path / "glintr100.onnx", stated=False)
        folder = read_weights_folder(tmp_path)
        assert folder.worth_a_try
        with pytest.raises(NeuralWeightsAmbiguous, match=r"glintr100\.onnx could .* glintr100\.toml"):
            folder.embedder()
        graphs.named(tmp_path / "glintr100.onnx", "arcface_112")
        assert read_weights_folder(tmp_path).embedder().path.name == "glintr100.onnx"

    def test_a_sidecar_names_the_embedder(self, mixed: Path) -> None:
        graphs.named(mixed / "w600k_r50.onnx", "arcface_112")
        assert read_weights_folder(mixed).embedder().path.name == "w600k_r50.onnx"


def test_a_converted_identity_is_normalised_where_the_swapper_wants_it(tmp_path: Path) -> None:
    graphs.crossface(tmp_path / "c.onnx")
    (file,) = read_weights_folder(tmp_path).files
    face, converter = np.ones(512, np.float32), Graph(file, CPU)
    assert Identity("converted", converter=converter).from_embedding(face) == pytest.approx(np.full(512, 4))
    unit = Identity("converted_normalised", converter=converter).from_embedding(face)
    assert np.linalg.norm(unit) == pytest.approx(1)
