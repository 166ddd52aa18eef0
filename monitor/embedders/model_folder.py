"""What a folder must be before a model is loaded from it: weights in safetensors, no code of its own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from monitor.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
OURS = "sentence_transformers."
_WEIGHTS = re.compile(r"(adapter_)?model(-\d+-of-\d+)?\.safetensors")


def refuse_unsafe(folder: Path) -> None:
    """Raise `EdgeError` where loading ``folder`` would unpickle weights or run the model's own code."""
    for part in _parts(folder):
        _refuse_pickle(part)
        for name in ("config.json", "tokenizer_config.json", "processor_config.json"):
            if "auto_map" in _json(part / name, {}):
                raise EdgeError(
                    f"{part / name} has an auto_map: the model brings its own code, and driftmon runs none. "
                    "Choose a model that transformers knows by itself."
                )


def _parts(folder: Path) -> Iterator[Path]:
    """Yield every folder that the loader reads: the model's own, its modules' and what they nest."""
    yield folder
    for module in _json(folder / "modules.json", []):
        if not isinstance(module, dict):
            raise EdgeError(f"{folder / 'modules.json'} is no list of modules; download the model again.")
        _refuse_foreign(folder / "modules.json", module.get("type"))
        part = (folder / str(module.get("path") or "")).resolve()
        if not part.is_relative_to(folder.resolve()):
            raise EdgeError(f"{folder / 'modules.json'} points outside its folder; download the model again.")
        if part != folder.resolve() and part.is_dir():
            yield part
            yield from (nested for nested in sorted(part.rglob("*")) if nested.is_dir())
            for router in sorted(part.rglob("router_config.json")):
                for kind in _json(router, {}).get("types", {}).values():
                    _refuse_foreign(router, kind)


def _refuse_foreign(file: Path, kind: Any) -> None:
    if not str(kind).startswith(OURS):
        raise EdgeError(
            f"{file} names the module type {str(kind)!r},  "
            "code outside sentence-transformers, and driftmon runs no model's own code. Choose a model that "
            "sentence-transformers knows by itself."
        )


def _refuse_pickle(part: Path) -> None:
    files = {f.name: f for f in sorted(part.iterdir()) if f.is_file()}
    # By the names that are read: other safetensors beside a pickle would only look safe.
    safe = any(_WEIGHTS.fullmatch(name) for name in files)
    # A pickle beside safetensors is not read; an adapter's is, unless the adapter has safetensors of its own.
    read = [f for f in files.values() if f.suffix.lower() in PICKLES and not safe]
    if "adapter_model.bin" in files and "adapter_model.safetensors" not in files:
        read.append(files["adapter_model.bin"])
    if read:
        raise EdgeError(
            f"{read[0]} holds weights as a pickle, which can run code when it is loaded; driftmon reads "
            "safetensors only. Where you trust the model, load it once and save it anew with "
            "save_pretrained(folder), or use a revision that carries model.safetensors."
        )


def _json(file: Path, default: Any) -> Any:
    if not file.is_file():
        return default
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EdgeError(f"{file} is not JSON ({error}); download the model again.") from error
    if not isinstance(value, type(default)):
        raise EdgeError(f"{file} should hold a JSON {type(default).__name__}; download the model again.")
    return value
