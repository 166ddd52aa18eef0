"""The judgement of one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.judge.attribution import attribute
from monitor.judge.spans import base_key
from monitor.records import Cause, Evidence, Reading, Severity, Verdict

_LOGGED = ("queries", "scores")
"""What signals begin with that are read from the log."""


def judge(readings: Sequence[Reading], evidence: Sequence[Evidence]) -> Verdict:
    """Return state, causes and severity of a window from its readings and the evidence after it.

    Harm decides severity: a firing stream whose reading is ``harmful`` (recall of what was there before, empty answers,
    the endpoint itself) makes it critical, a distribution that merely shifts a warning.
    """
    fired = tuple(e.key for e in evidence if e.firing)
    problems = tuple(_problem(r) for r in readings if r.status == "invalid")
    # A span that fires speaks of the same population as its single windows do.
    causes = _name_streams(attribute(tuple(dict.fromkeys(map(base_key, fired))), readings), fired)
    spoilt = any(r.detector == "data_quality" and r.status == "invalid" for r in readings)
    spoke = any(r.status == "ok" and r.log_p is not None and r.signal.startswith(_LOGGED) for r in readings)
    # Nothing but the log changed, and what it says cannot be believed, or is not there: no drift, but why is known.
    only_log = {cause.name for cause in causes} == {"logging"} and (spoilt or not spoke)
    if fired and not only_log:
        harmful = {r.key for r in readings if r.harmful}
        severity: Severity = "critical" if harmful.intersection(fired) else "warning"
        return Verdict("drift", severity, causes, fired, problems)
    if problems:
        return Verdict("invalid", "warning", causes, fired, problems)
    if any(r.detector == "data_quality" and r.status == "insufficient" for r in readings):
        # The suite may well be fine; that no question came is for a person to explain.
        silence = "no record in this window: is the log still being written?"
        return Verdict("insufficient", "none", causes, fired, (silence,))
    if only_log or not any(r.status == "ok" and r.log_p is not None for r in readings):
        few = "too few records for any statistical detector; only probes spoke"
        return Verdict("insufficient", "none", causes, fired, (few,))
    return Verdict("quiet")


def _name_streams(causes: Sequence[Cause], fired: Sequence[str]) -> tuple[Cause, ...]:
    """Return the causes with the streams that really fired behind them: a span, its single windows, or both."""
    of_base: dict[str, list[str]] = {}
    for key in fired:
        of_base.setdefault(base_key(key), []).append(key)
    return tuple(
        replace(c, because=tuple(key for base in c.because for key in of_base.get(base, [base])))
        for c in causes
    )


def _problem(reading: Reading) -> str:
    if "error" in reading.detail:
        return f"detector {reading.key} failed with {reading.detail['error']}"
    worst = {
        name: share
        for name, share in reading.detail.items()
        if name.endswith("_share") and isinstance(share, float) and share > 0.0
    }
    shares = ", ".join(
        f"{name.removesuffix('_share').replace('_', ' ')} {share:.1%}" for name, share in worst.items()
    )
    return f"{reading.key}: {shares or 'a number is not finite'}; see `driftmon check` and the column mapping"
