from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from monitor.embedders.model_folder import refuse_unsafe
from monitor.errors import EdgeError

if TYPE_CHECKING:
    from pathlib import Path

TRANSFORMER = {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}
DENSE = {"idx": 1, "path": "2_Dense", "type": "sentence_transformers.models.Dense"}


def folder(path: Path, modules: Any, *files: str) -> Path:
    (path / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    for name in files:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    return path


def test_safetensors_pass_whatever_lies_beside_them(tmp_path: Path) -> None:
    files = ("model.safetensors", "pytorch_model.bin", "optimizer.pt", "2_Dense/model.safetensors")
    refuse_unsafe(folder(tmp_path, [TRANSFORMER, DENSE], *files, "checkpoint-5/rng_state.pth"))


def test_a_plain_transformer_without_modules_passes(tmp_path: Path) -> None:
    (tmp_path / "model-00001-of-00002.safetensors").touch()
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    refuse_unsafe(tmp_path)


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "a.pt", "a.pth", "a.PKL", "a.ckpt"]
)
def test_pickled_weights_are_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(EdgeError, match=name) as caught:
        refuse_unsafe(folder(tmp_path, [TRANSFORMER], name))
    assert "save_pretrained" in str(caught.value)


@pytest.mark.parametrize(
    "file", ["2_Dense/pytorch_model.bin", "2_Dense/query_0_Dense/pytorch_model.bin", "adapter_model.bin"]
)
def test_a_part_that_is_pickled_is_refused_though_the_rest_is_safe(tmp_path: Path, file: str) -> None:
    with pytest.raises(EdgeError, match=file):
        refuse_unsafe(folder(tmp_path, [TRANSFORMER, DENSE], "model.safetensors", file))


@pytest.mark.parametrize("decoy", ["other.safetensors", "model.safetensors.bak", "model-1.safetensors"])
def test_safetensors_that_nobody_reads_excuse_no_pickle(tmp_path: Path, decoy: str) -> None:
    files = ("model.safetensors", "2_Dense/pytorch_model.bin", f"2_Dense/{decoy}")
    with pytest.raises(EdgeError, match=r"2_Dense/pytorch_model\.bin holds weights as a pickle"):
        refuse_unsafe(folder(tmp_path, [TRANSFORMER, DENSE], *files))


@pytest.mark.parametrize("kind", ["custom_st.Transformer", "os.system", None, "sentence_transformersX.Dense"])
def test_modules_outside_the_library_are_refused(tmp_path: Path, kind: str | None) -> None:
    with pytest.raises(EdgeError, match="module type"):
        refuse_unsafe(folder(tmp_path, [TRANSFORMER, DENSE | {"type": kind}], "model.safetensors"))


def test_modules_outside_the_library_are_refused_behind_a_router_too(tmp_path: Path) -> None:
    folder(tmp_path, [TRANSFORMER, DENSE], "model.safetensors", "2_Dense/router_config.json")
    router = {"types": {"query_0_Evil": "evil.Module"}}
    (tmp_path / "2_Dense" / "router_config.json").write_text(json.dumps(router), encoding="utf-8")
    with pytest.raises(EdgeError, match=r"evil\.Module"):
        refuse_unsafe(tmp_path)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "2_Dense/config.json"])
def test_code_that_comes_with_the_model_is_refused(tmp_path: Path, file: str) -> None:
    folder(tmp_path, [TRANSFORMER, DENSE], "model.safetensors", file)
    (tmp_path / file).write_text('{"auto_map": {"AutoModel": "modeling.Model"}}', encoding="utf-8")
    with pytest.raises(EdgeError, match=f"{file} has an auto_map"):
        refuse_unsafe(tmp_path)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([DENSE | {"path": "../other"}], "outside its folder"),
        ([DENSE | {"path": "/"}], "outside its folder"),
        (["Transformer"], "no list of modules"),
        ({}, "should hold a JSON list"),
    ],
)
def test_modules_that_make_no_sense_are_refused(tmp_path: Path, modules: Any, message: str) -> None:
    with pytest.raises(EdgeError, match=message):
        refuse_unsafe(folder(tmp_path, modules, "model.safetensors"))


def test_broken_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[", encoding="utf-8")
    with pytest.raises(EdgeError, match=r"modules\.json is not JSON"):
        refuse_unsafe(tmp_path)
