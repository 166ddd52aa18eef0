from __future__ import annotations

import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from monitor.errors import EdgeError
from monitor.notifiers.mail import Mail
from tests.core_fakes.notices import MESSAGE, RESOLVED, later
from tests.core_fakes.post import login

if TYPE_CHECKING:
    from tests.notifiers.conftest import Postal

PASSWORD = "hunter2-mail-secret"  # noqa: S105 it is to be looked for


def mail(port: int, **options: Any) -> Mail:
    given: dict[str, Any] = {"tls": "none", "timeout": 5.0} | options
    return Mail("localhost", "driftmon@example.com", ("oncall@example.com",), port=port, **given)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    if which("openssl") is None:
        pytest.skip("no openssl: apt-get install openssl")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def test_messages_of_an_incident_are_one_thread_and_keep_their_ids(post: Postal) -> None:
    server = post()
    sender = mail(server.port)
    for message in (MESSAGE, MESSAGE, later(kind="updated"), RESOLVED):
        assert sender.send(message).result == "delivered"
    first, again, update, resolved = server.mails
    root = f"<{MESSAGE.key}@example.com>"
    assert first["Message-ID"] == again["Message-ID"] == root
    assert update["References"] == resolved["In-Reply-To"] == root
    assert update["Message-ID"] not in (root, None)
    assert first["References"] is None
    assert first["Auto-Submitted"] == "auto-generated"
    text = first.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert b"Next step: Undo the push." in text
    assert b"canary.canary: canary texts" in text


def test_it_logs_in_under_starttls(post: Postal, certificate: tuple[Path, ssl.SSLContext]) -> None:
    cert, context = certificate
    server = post(authenticator=login, auth_required=True, tls_context=context)
    options: dict[str, Any] = {"tls": "starttls", "username": "drift", "ca_file": str(cert)}
    sender = mail(server.port, **options, password=SecretStr(PASSWORD))
    assert sender.send(MESSAGE).result == "delivered"
    assert "logged in as drift" in sender.describe()
    assert sender._answered(535).result == "refused"  # aiosmtpd takes its time to say so
    assert "correct username and password" in sender._answered(535).reason
    assert len(server.mails) == 1


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_it_sends_under_tls_to_whom_it_knows(
    post: Postal, certificate: tuple[Path, ssl.SSLContext], tls: str
) -> None:
    cert, context = certificate
    option: dict[str, Any] = {"ssl_context" if tls == "tls" else "tls_context": context}
    server = post(**option)
    assert mail(server.port, tls=tls, ca_file=str(cert)).send(MESSAGE).result == "delivered"
    stranger = mail(server.port, tls=tls).send(MESSAGE)  # its authority is not known here
    assert (stranger.result, stranger.in_doubt) == ("retry", False)
    assert len(server.mails) == 1


def test_a_server_without_starttls_gets_no_mail(post: Postal) -> None:
    server = post()
    receipt = mail(server.port, tls="starttls").send(MESSAGE)
    assert (receipt.result, receipt.in_doubt) == ("retry", False)
    assert "offers no STARTTLS" in receipt.reason
    assert server.mails == []


@pytest.mark.parametrize(
    ("answer", "result"), [("451 try later", "retry"), ("554 no", "refused"), ("250 OK", "delivered")]
)
def test_what_an_answer_means(post: Postal, answer: str, result: str) -> None:
    server = post()
    server.answers.append(answer)
    assert mail(server.port).send(MESSAGE).result == result


def test_a_recipient_that_is_refused_does_not_keep_the_others_from_it(post: Postal) -> None:
    server = post()
    server.refuse.add("gone@example.com")
    sender = replace(mail(server.port), to=("gone@example.com", "oncall@example.com"))
    receipt = sender.send(MESSAGE)
    assert receipt.result == "delivered"
    assert "refused 1 of 2 recipients" in receipt.reason
    alone = replace(sender, to=("gone@example.com",)).send(MESSAGE)
    assert alone.result == "refused"


def test_a_server_that_drips_is_cut_off(dripping: int) -> None:
    began = time.monotonic()
    receipt = mail(dripping, timeout=0.5).send(MESSAGE)
    assert time.monotonic() - began < 2.0
    assert receipt.result == "retry"
    with pytest.raises(EdgeError):
        mail(dripping, timeout=0.3).describe()
