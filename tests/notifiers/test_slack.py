from __future__ import annotations

from monitor.messages import Deciding
from monitor.notifiers.slack import blocks
from tests.core_fakes.notices import MESSAGE, message


def test_blocks_hold_cause_evidence_next_step_and_links_within_slack_s_limits() -> None:
    long = message(
        title="t" * 400, readings=tuple(Deciding(f"d{i}.queries", "s" * 500, 0.1) for i in range(10))
    )
    for each in (MESSAGE, long):
        found = blocks(each)
        assert len(found) <= 50
        for block in found:
            assert len(block.get("text", {}).get("text", "")) <= (150 if block["type"] == "header" else 3000)
            assert len(block.get("fields", ())) <= 10
    text = str(blocks(MESSAGE))
    for said in ("model_query_side", "canary.canary", "Undo the push.", MESSAGE.runbook, "embedder 2.1"):
        assert said in text


def test_nothing_in_a_message_calls_a_channel() -> None:
    text = str(blocks(message(meaning="<!channel> & <@U1>", events=("<https://evil.example.com|here>",))))
    assert "<!channel>" not in text
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in text
    assert "<https://evil" not in text
