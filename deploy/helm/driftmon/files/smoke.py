"""Asks a released daemon, as `helm test` does: is it ready, and does it export what alerts and dashboards read?"""

import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

WAIT = 60.0
"""Seconds that readiness may take."""
WANTED = ("driftmon_build_info", "driftmon_snapshot_timestamp_seconds")


def ask(path: str) -> str:
    """Return the body; raises `OSError` for anything but a 200."""
    request = urllib.request.Request(os.environ["DRIFTMON_URL"] + path)  # noqa: S310 the chart's own Service
    if file := os.environ.get("DRIFTMON_TOKEN_FILE"):
        token = Path(file).read_text(encoding="utf-8").split()[0]
        request.add_header("Authorization", f"Bearer {token}")
    # Whose name the certificate bears is for Prometheus to check; here it is asked whether anybody answers.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    with urllib.request.urlopen(request, timeout=5, context=context) as answer:  # noqa: S310
        return str(answer.read().decode())


deadline = time.monotonic() + float(os.environ.get("DRIFTMON_WAIT", WAIT))
while True:
    try:
        ask("/-/ready")
        missing = [name for name in WANTED if name not in ask("/metrics")]
    except OSError as error:
        reason = str(error)
        if isinstance(error, urllib.error.HTTPError):
            reason += ": " + error.read().decode(errors="replace").strip()
    else:
        if not missing:
            print("ready, and its metrics are there")
            break
        reason = f"/metrics lacks {', '.join(missing)}"
    if time.monotonic() > deadline:
        sys.exit(f"not within {WAIT:g} s: {reason}")
    time.sleep(1)
