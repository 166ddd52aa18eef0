"""What the demo says act by act, as plain data: every figure is read from the walked windows."""

from __future__ import annotations

from typing import Any

from monitor.demo.scenario import Act, Moment, Story
from monitor.records import Reading


def summarise(story: Story) -> dict[str, Any]:
    """Return the acts with what fired before and after, the named cause, each reading and recall@K."""
    return {
        "seed": story.seed,
        "facts": story.facts,
        "adapter": None
        if story.offer is None
        else {
            "kind": story.offer.adapter.kind,
            "pairs": story.offer.adapter.pairs,
            "agreement_with_old_answers": {"without": story.offer.unmapped, **story.offer.agreement},
        },
        "acts": [_summarise_act(act, story.k) for act in story.acts],
    }


def _summarise_act(act: Act, k: int) -> dict[str, Any]:
    after = act.after[-1]
    told = next((m for m in reversed(act.after) if m.verdict.causes), after)
    readings = _compare(act.before, act.after)
    recall = readings["recall_at_k.suite"]
    return {
        "act": act.name,
        "title": act.title,
        "fired_in_quiet": fired_in(act.quiet),
        "fired": fired_in(act.after),
        "firing_at_end": list(after.verdict.fired),
        "cause": told.verdict.cause,
        "causes": [
            {"name": c.name, "confidence": c.confidence, "because": list(c.because)}
            for c in told.verdict.causes
        ],
        "severity": told.verdict.severity,
        "windows_to_detect": next(
            (i for i, m in enumerate(act.after, 1) if m.verdict.state == "drift"), None
        ),
        "readings": readings,
        "recall_at_k": {"k": k, "before": recall["before"], "after": recall["after"]},
    }


def fired_in(moments: tuple[Moment, ...]) -> list[str]:
    """Return every stream that was firing in any of the windows."""
    return sorted({key for moment in moments for key in moment.verdict.fired})


def _compare(before: tuple[Moment, ...], after: tuple[Moment, ...]) -> dict[str, dict[str, float | None]]:
    """Return each stream's last usable reading before the act against the last one in it."""
    old, new = _last_readings(before), _last_readings(after)
    return {
        key: {
            "before": old[key].value if key in old else None,
            "after": reading.value,
            "p_value": reading.p_value,
        }
        for key, reading in new.items()
    }


def _last_readings(moments: tuple[Moment, ...]) -> dict[str, Reading]:
    return {r.key: r for moment in moments for r in moment.readings if r.status == "ok"}
