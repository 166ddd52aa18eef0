"""Where a window has moved: its log and the index are read again, and the regions that changed are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor import answers
from monitor.baseline.frozen import Baseline
from monitor.errors import EdgeError
from monitor.explain.cells import MovedCell, Placed, moved_cells, name_cells
from monitor.pipeline import Collection, query_vectors, sample_log
from monitor.records import Window
from monitor.stats.sampling import hash_ids
from monitor.stats.vector_pass import assign_cells

QUIET_WINDOWS = 4
"""Windows of the baseline's time whose texts are held beside the window's: words need something to differ from."""
REGIONS = 5
DOCUMENTS = 3
"""Ids shown of the new documents of a region."""


@dataclass(frozen=True, slots=True)
class Regions:
    """The moved cells of the questions and of the new documents, and what could not be looked at."""

    questions: tuple[MovedCell, ...] = ()
    documents: tuple[MovedCell, ...] = ()
    notes: tuple[str, ...] = ()


def look_closer(
    collection: Collection,
    baseline: Baseline,
    window: Window,
    quiet: Sequence[Window] = (),
    examples: int = 0,
) -> Regions:
    """Return where the window's questions and the index' new documents lie otherwise than the baseline's.

    The sample of a window is the same whenever it is drawn, so the regions are those that its readings speak of, as
    long as the log still has it; documents are those of the index as it is now. What an edge refuses is told in
    ``notes`` and costs that part only.

    Parameters
    ----------
    quiet : sequence of Window
        Some windows of the baseline's time: they give the words that are not new.
    examples : int
        How many texts of users to show for each region; none unless asked for.
    """
    notes: list[str] = []
    questions: tuple[MovedCell, ...] = ()
    documents: tuple[MovedCell, ...] = ()
    try:
        questions = _questions(collection, baseline, window, quiet, examples, notes)
    except EdgeError as error:
        notes.append(f"the questions cannot be looked at: {error}")
    try:
        documents = _documents(collection, baseline)
    except EdgeError as error:
        notes.append(f"the documents cannot be looked at: {error}")
    return Regions(questions, documents, tuple(notes))


def _questions(
    collection: Collection,
    baseline: Baseline,
    window: Window,
    quiet: Sequence[Window],
    examples: int,
    notes: list[str],
) -> tuple[MovedCell, ...]:
    placed = _read(collection, baseline, (window,))
    if not placed.cells:
        notes.append("the log no longer has a usable question of this window")
        return ()
    population = baseline.populations["queries"]
    occupancy = np.bincount(placed.cells, minlength=len(population.cells))
    cells = moved_cells(occupancy, population.cells)
    if not cells:
        notes.append("no single region of the questions moved by more than chance")
    elif not any(placed.texts):
        notes.append("the log has no texts (source.columns.text), so regions have numbers only")
    else:
        cells = name_cells(cells, placed, _read(collection, baseline, quiet), examples)
    return cells


def _read(collection: Collection, baseline: Baseline, windows: Sequence[Window]) -> Placed:
    """Return the usable questions of the windows' samples, "" for one without a text."""
    kept: list[tuple[int, str]] = []
    for window in windows:
        sample = sample_log(collection.source, window.start, window.end, collection.sample_size)
        queries = query_vectors(sample, collection.embedder, baseline.dimension)
        texts = {record.id: record.text or "" for record in sample.records}
        centroids = baseline.populations["queries"].centroids
        cells = assign_cells(queries.vectors, centroids, normalise=baseline.normalise)
        kept += [(int(c), texts[i]) for c, i in zip(cells, queries.ids, strict=True) if c >= 0]
    return Placed(tuple(cell for cell, _ in kept), tuple(text for _, text in kept))


def _documents(collection: Collection, baseline: Baseline) -> tuple[MovedCell, ...]:
    reference = baseline.corpus
    population = baseline.populations.get("corpus")
    if collection.index is None or reference is None or population is None:
        return ()
    corpus = answers.sample(collection.index, collection.corpus_sample)
    hashes = hash_ids(corpus.ids)
    whole = len(reference.hashes) >= reference.size
    fresh = ~np.isin(hashes, reference.hashes) & (whole | (hashes <= reference.hashes.max(initial=0)))
    if not fresh.any() or corpus.vectors.shape[1] != baseline.dimension:
        return ()
    ids = [identifier for identifier, new in zip(corpus.ids, fresh, strict=True) if new]
    labels = assign_cells(corpus.vectors[fresh], population.centroids, normalise=baseline.normalise)
    placed = Placed(tuple(labels.tolist()), tuple(ids))
    occupancy = np.bincount(labels[labels >= 0], minlength=len(population.cells))
    gained = [c for c in moved_cells(occupancy, population.cells, len(occupancy)) if c.gain > 0]
    # Ids of documents are no texts of users: they say where to look.
    return tuple(replace(c, examples=tuple(placed.inside(c.cell)[:DOCUMENTS])) for c in gained[:REGIONS])
