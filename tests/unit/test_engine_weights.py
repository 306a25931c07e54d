"""Which files the neural engine accepts as weights, and what it says about others."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from faceswap.engine.neural import inventory, weights
from faceswap.engine.neural.contracts import Role
from faceswap.engine.neural.inventory import WeightsCache
from faceswap.engine.neural.onnx_file import NotOnnx, read_signature
from faceswap.engine.neural.published import Known
from faceswap.engine.neural.weights import fact_of, read_weights_folder
from faceswap.errors import (
    FaceSwapError,
    NeuralWeightsDamaged,
    NeuralWeightsMissing,
    NeuralWeightsUnsuitable,
    NeuralWeightsWrong,
)
from faceswap.ui import texts
from tests import graphs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file of each kind."""
    graphs.embedder(tmp_path / graphs.EMBEDDER)
    graphs.inswapper(tmp_path / graphs.INSWAPPER)
    graphs.ghost(tmp_path / graphs.GHOST)
    graphs.crossface(tmp_path / graphs.CROSSFACE)
    graphs.hyperswap(tmp_path / graphs.HYPERSWAP)
    graphs.enhancer(tmp_path / graphs.ENHANCER)
    return tmp_path


def why_not(folder: Path, role: Role = Role.SWAPPER) -> FaceSwapError:
    with pytest.raises(FaceSwapError) as raised:
        read_weights_folder(folder).need(role)
    return raised.value


class TestTellingApart:
    def test_files_are_known_by_their_graphs_whatever_they_are_called(self, folder: Path) -> None:
        for number, path in enumerate(sorted(folder.glob("*.onnx"))):
            if path.with_suffix(".toml").exists():
                path.with_suffix(".toml").rename(path.with_name(f"{number}.toml"))
            path.rename(path.with_name(f"{number}.onnx"))
        assert [file.model for file in read_weights_folder(folder).files] == [
            "crossface_ghost",
            "enhancer_512",
            "ghost_256",
            "hyperswap_256",
            "inswapper_128",
            "arcface_112",
        ]

    def test_the_better_swapper_is_taken(self, folder: Path) -> None:
        for expected in ("hyperswap_256", "inswapper_128", "ghost_256"):
            found = read_weights_folder(folder).need(Role.SWAPPER)
            assert found.model == expected
            found.path.unlink()
        assert why_not(folder).details == {"missing": "swap model"}

    def test_shapes_and_the_last_constant_are_what_the_onnx_package_reads(self, folder: Path) -> None:
        path = folder / graphs.INSWAPPER
        found, expected = read_signature(path), onnx.load(path).graph
        assert list(found.inputs.items()) == [("target", (1, 3, 128, 128)), ("source", (1, 512))]
        assert list(found.outputs) == [expected.output[0].name]
        assert found.last_constant is not None
        assert found.last_constant.name == expected.initializer[-1].name
        constant = onnx.numpy_helper.to_array(expected.initializer[-1])
        assert (found.last_constant.read(path) == constant).all()

    def test_constants_of_half_precision_and_constants_listed_among_the_inputs_are_read(
        self, tmp_path: Path
    ) -> None:
        path = graphs.inswapper(tmp_path / "old.onnx")
        model = onnx.load(path)
        half = onnx.numpy_helper.from_array(graphs.projection().astype(np.float16), "buff2fs")
        del model.graph.initializer[-1]
        model.graph.initializer.append(half)
        for name in ("share", "buff2fs"):
            model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
        onnx.save(model, path)
        (file,) = read_weights_folder(tmp_path).files
        assert list(file.signature.inputs) == ["target", "source"]
        assert file.signature.last_constant is not None
        assert np.allclose(file.signature.last_constant.read(path), graphs.projection(), rtol=0, atol=1e-3)

    def test_constants_kept_as_numbers_instead_of_bytes_are_read(self, tmp_path: Path) -> None:
        path = graphs.inswapper(tmp_path / "numbers.onnx")
        model = onnx.load(path)
        del model.graph.initializer[-1]
        values = graphs.projection().ravel().tolist()
        model.graph.initializer.append(
            helper.make_tensor("buff2fs", TensorProto.FLOAT, (512, 512), values, raw=False)
        )
        onnx.save(model, path)
        constant = read_signature(path).last_constant
        assert constant is not None
        assert (constant.read(path) == graphs.projection()).all()


class TestWhatDoesNotFit:
    def test_other_graphs_are_unsuitable(self, tmp_path: Path) -> None:
        graphs.swapper(tmp_path / "a.onnx", 128)  # The graph has no projection among its constants.
        graphs.swapper(tmp_path / "b.onnx", 160)
        picture: graphs.Dims = (1, 3, 512, 512)
        parts: graphs.Dims = (1, 21, 512, 512)
        node = helper.make_node("Tile", ["x", "n"], ["y"])
        graphs.save(tmp_path / "c.onnx", [node], {"x": picture}, {"y": parts}, {"n": np.array([1, 7, 1, 1])})
        assert read_weights_folder(tmp_path).unsuitable == ("a.onnx", "b.onnx", "c.onnx")
        error = why_not(tmp_path)
        assert isinstance(error, NeuralWeightsUnsuitable)
        assert error.details == {"file": "a.onnx"}

    @pytest.mark.parametrize("kept", [0.001, 0.5, 0.999])
    def test_a_file_that_was_cut_off_is_damaged(self, folder: Path, kept: float) -> None:
        for path in folder.glob("*.onnx"):
            if path.name != graphs.INSWAPPER:
                path.unlink()
        path = folder / graphs.INSWAPPER
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * kept)])
        error = why_not(folder)
        assert isinstance(error, NeuralWeightsDamaged)
        assert error.details == {"file": graphs.INSWAPPER}

    @pytest.mark.parametrize(
        "content", [b"", b"PK\x03\x04" + bytes(100), b"<html>not found</html>", bytes(64)]
    )
    def test_what_is_no_graph_is_damaged(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x.onnx").write_bytes(content)
        assert read_weights_folder(tmp_path).damaged == ("x.onnx",)

    @given(content=st.binary(max_size=300))
    def test_no_file_is_read_into_anything_but_a_graph_or_an_error(self, content: bytes) -> None:
        path = Path(self.scratch) / "any.onnx"
        path.write_bytes(content)
        try:
            assert read_signature(path).outputs
        except NotOnnx:
            return

    @pytest.fixture(autouse=True)
    def _scratch(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        type(self).scratch = str(tmp_path_factory.mktemp("any"))

    def test_no_folder_is_an_empty_one(self, tmp_path: Path) -> None:
        for folder in (None, tmp_path / "nowhere"):
            found = read_weights_folder(folder)
            assert found.missing == (Role.SWAPPER, Role.EMBEDDER)
            with pytest.raises(NeuralWeightsMissing, match="a swap model"):
                found.need(Role.SWAPPER)

    def test_ghost_needs_its_converter_too(self, folder: Path) -> None:
        for name in (graphs.INSWAPPER, graphs.HYPERSWAP, graphs.CROSSFACE):
            (folder / name).unlink()
        assert read_weights_folder(folder).missing == (Role.CONVERTER,)


class TestWhatIsRecorded:
    def test_an_unknown_file_is_recorded_without_a_claim(self, folder: Path) -> None:
        fact = fact_of(read_weights_folder(folder).need(Role.EMBEDDER))
        content = (folder / graphs.EMBEDDER).read_bytes()
        assert fact == weights.Fact(
            role="face embedding model",
            name="arcface_112",
            file=graphs.EMBEDDER,
            sha256=hashlib.sha256(content).hexdigest(),
            recognised=False,
            licence="unknown",
        )

    def test_a_published_file_is_recognised_by_its_content(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = (folder / graphs.EMBEDDER).read_bytes()
        known = Known("w600k_r50", "insightface")
        monkeypatch.setattr(weights, "KNOWN", {hashlib.sha256(content).hexdigest(): known})
        fact = fact_of(read_weights_folder(folder).need(Role.EMBEDDER))
        assert (fact.name, fact.recognised, fact.licence) == ("w600k_r50", True, "insightface")

    def test_known_digests_are_digests(self) -> None:
        assert all(len(bytes.fromhex(digest)) == 32 for digest in weights.KNOWN)

    def test_a_stated_digest_must_be_the_files(self, folder: Path) -> None:
        file = read_weights_folder(folder).need(Role.EMBEDDER)
        digest = hashlib.sha256(file.path.read_bytes()).hexdigest()
        beside = file.path.with_name(file.path.name + ".sha256")
        beside.write_text(f"{digest.upper()}  {file.path.name}\n")
        assert fact_of(file).sha256 == digest
        for stated in (f"{digest[:-1]}x  {file.path.name}\n", ""):
            beside.write_text(stated)
            with pytest.raises(NeuralWeightsWrong) as raised:
                fact_of(file)
            assert raised.value.details == {"file": graphs.EMBEDDER}

    def test_an_inventory_reads_a_file_again_only_when_it_changed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[str] = []
        original = fact_of
        monkeypatch.setattr(inventory, "fact_of", lambda file: read.append(file.path.name) or original(file))
        cache = WeightsCache()
        first = cache.inventory(folder)
        assert cache.inventory(folder) == first
        assert len(read) == len(first.facts) == 6
        (folder / "broken.onnx").write_bytes(b"broken")
        graphs.enhancer(folder / graphs.ENHANCER, gain=0.5)
        second = cache.inventory(folder)
        assert read[6:] == [graphs.ENHANCER]
        assert second.unusable == ("broken.onnx",)
        assert second.missing == ()


def test_a_sidecar_states_the_licence_of_a_file_that_is_not_published(tmp_path: Path) -> None:
    graphs.swapper(tmp_path / "mine.onnx", 256)
    sidecar = tmp_path / "mine.toml"
    for said, licence in (
        ('model = "ghost_256"', "unknown"),
        ('model = "ghost_256"\nlicence = "Apache-2.0"', "Apache-2.0"),
        ('model = "ghost_256"\nlicence = "  A\\n\\u0007B  "', "AB"),
        (f'model = "ghost_256"\nlicence = "{"x" * 500}"', "x" * 120),
        ('model = "ghost_256"\nlicence = 7', "unknown"),
    ):
        sidecar.write_text(said, encoding="utf-8")
        (file,) = read_weights_folder(tmp_path).files
        assert fact_of(file).licence == licence, said
    assert texts.licence("Apache-2.0", "en") == "Apache-2.0, as its owner says"
    assert texts.licence("gpen", "zh") == texts.words("licence_gpen", "zh")
