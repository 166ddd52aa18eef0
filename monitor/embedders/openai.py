"""Embeds at a remote endpoint that speaks OpenAI's `/embeddings`: TEI, vLLM, Ollama, llama.cpp, and OpenAI itself."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import stamina
from pydantic import SecretStr

from monitor.embedders.texts import check_texts, encodable
from monitor.errors import ConfigError, EdgeError
from monitor.outbound import Answer, Outbound
from monitor.protocols import TextKind
from monitor.records import VectorArray

ATTEMPTS = 4
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LARGEST_WAIT = 30.0


class _BusyError(EdgeError):
    """The endpoint asks to come back later, after ``wait`` seconds where it says so."""

    def __init__(self, message: str, wait: float | None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class OpenAIEmbedder:
    """A remote embedding endpoint, asked as production asks it.

    Attributes
    ----------
    url : str
        The endpoint, such as ``https://api.openai.com/v1/embeddings``.
    model : str
        The model's name there.
    api_key, api_key_file : optional
        The key, or a file that is read at every request, so that it may be rotated. Shown nowhere.
    dimensions : int, optional
        Asked for where the model can shorten its vectors.
    query_prefix, passage_prefix : str
        Put before each text as it stands.
    normalize : bool
        Whether vectors are brought to length 1, as production does it.
    batch_size : int
        Texts of one request.
    timeout : float
        Seconds of one request, its repetitions after a 429 or a 5xx included.
    allow_private : tuple of str
        Hosts with private addresses or plain ``http`` that are meant: an endpoint inside the cluster.
    """

    url: str
    model: str
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    dimensions: int | None = None
    query_prefix: str = ""
    passage_prefix: str = ""
    normalize: bool = True
    batch_size: int = 64
    timeout: float = 20.0
    allow_private: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ValueError("model is empty; name the model as the endpoint knows it")
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("api_key and api_key_file are both set; keep one of the two")
        if not 1 <= self.batch_size <= 2048:
            raise ValueError(f"batch_size is {self.batch_size}; it must be from 1 to 2048")
        if not 0 < self.timeout <= 3600:
            raise ValueError(f"timeout is {self.timeout}; it must be above 0 and at most 3600 seconds")
        if self.dimensions is not None and self.dimensions < 1:
            raise ValueError(f"dimensions is {self.dimensions}; it must be at least 1, or left out")
        try:
            self._outbound.check(self.url)
        except ConfigError as error:
            raise ValueError(f"url: {error}") from None

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        """Return ``(len(texts), d)`` float32, one row per text; raises `EdgeError`."""
        check_texts(texts)
        prefix = self.query_prefix if kind == "query" else self.passage_prefix
        rows: list[VectorArray] = []
        for start in range(0, len(texts), self.batch_size):
            # An endpoint may refuse an empty text, and its place among the others must not be lost.
            batch = [prefix + (encodable(text) or " ") for text in texts[start : start + self.batch_size]]
            rows.append(self._embed(batch))
        if len({part.shape[1] for part in rows}) > 1:
            raise EdgeError(f"{self._host}: gave vectors of different dimensions; is it one model behind it?")
        if rows:
            return np.concatenate(rows)
        return np.empty((0, self.dimensions or self._embed(["dimension"]).shape[1]), dtype=np.float32)

    def describe(self) -> str:
        """Ask for one vector and say what came; raises `EdgeError`."""
        vectors = self.embed(["dimension"])
        return f"{self.model} at {self._host}: {vectors.shape[1]} dimensions{', normalised' if self.normalize else ''}"

    @property
    def _outbound(self) -> Outbound:
        return Outbound(allow_private=self.allow_private, timeout=self.timeout)

    @property
    def _host(self) -> str:
        return self._outbound.check(self.url).hostname or ""

    def _embed(self, texts: list[str]) -> VectorArray:
        wanted: dict[str, Any] = {"model": self.model, "input": texts, "encoding_format": "float"}
        if self.dimensions is not None:
            wanted["dimensions"] = self.dimensions
        for attempt in stamina.retry_context(
            on=_pause, attempts=ATTEMPTS, timeout=self.timeout, wait_max=5.0
        ):
            with attempt:
                answer = self._outbound.request("POST", self.url, self._headers(), wanted)
                self._refuse(answer)
        vectors = self._read(answer, len(texts))
        if not self.normalize:
            return vectors
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        return np.divide(vectors, np.where(norms > 0, norms, 1.0)).astype(np.float32)

    def _headers(self) -> dict[str, str]:
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        if self.api_key_file is not None:
            try:
                key = self.api_key_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise EdgeError(
                    f"{self.api_key_file}: the key cannot be read; mount it there, readable for this user"
                ) from None
        if key is None:
            return {}
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise EdgeError(
                f"{self._host}: the key is empty or holds characters that no key has; write it anew"
            )
        return {"Authorization": f"Bearer {key}"}

    def _refuse(self, answer: Answer) -> None:
        if answer.status == 200:
            return
        said = f"{self._host}: answers {answer.status} to a request for embeddings of {self.model!r}"
        if answer.status in _BUSY:
            after = answer.headers.get("retry-after", "")
            raise _BusyError(f"{said}, again and again", float(after) if after.isdigit() else None)
        mends = {401: "; correct the key", 403: "; correct the key", 404: "; correct url or model"}
        raise EdgeError(said + mends.get(answer.status, "; look into its log"))

    def _read(self, answer: Answer, count: int) -> VectorArray:
        """Return the vectors in the order of the texts; every answer that is not what it should be is refused."""
        try:
            data = json.loads(answer.body)["data"]
            places = [entry.get("index", place) for place, entry in enumerate(data)]
            rows = [_numbers(entry["embedding"]) for entry in data]
            complete = sorted(places) == list(range(count))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
            raise EdgeError(
                f"{self._host}: its answer holds no embeddings; is url the /embeddings path?"
            ) from None
        if not complete:
            raise EdgeError(
                f"{self._host}: gave {len(rows)} vectors for {count} texts; each text wants its own"
            )
        if len({len(row) for row in rows}) > 1 or rows[0].ndim != 1 or len(rows[0]) == 0:
            raise EdgeError(f"{self._host}: gave vectors of different or no dimensions")
        vectors = np.empty((count, len(rows[0])), dtype=np.float32)
        with np.errstate(over="ignore"):
            for place, row in zip(places, rows, strict=True):
                vectors[place] = row
        if not np.isfinite(vectors).all():
            raise EdgeError(f"{self._host}: gave NaN or infinity; its model is damaged or overflows")
        return vectors


def _numbers(value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return an embedding as it is sent: a list of numbers, or base64 of little-endian float32."""
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float64)
    return np.asarray(value, dtype=np.float64)


def _pause(error: Exception) -> bool | float:
    """Say whether to ask again, and after how long where the endpoint told."""
    if not isinstance(error, _BusyError):
        return False
    return True if error.wait is None else min(error.wait, _LARGEST_WAIT)
