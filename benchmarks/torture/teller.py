"""A dispatcher as a process, which may be killed: teller.py RECEIVER [TIME-OUT]; DRIFTMON_DATABASE names its store."""

from __future__ import annotations

import os
import sys
import threading
from datetime import timedelta

import structlog
from pydantic import SecretStr

from monitor.daemon.dispatcher import Dispatcher
from monitor.notifiers.webhook import Webhook
from monitor.store import Store
from monitor.telling import Patience, Route

TIMEOUT = 0.4
"""Seconds that a receiver has; in production 10."""
LEASE = timedelta(seconds=1.5)
PATIENCE = Patience(first=0.05, longest=0.5)


def main() -> None:
    """Tell whatever there is until killed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    timeout = float(sys.argv[2]) if len(sys.argv) > 2 else TIMEOUT
    hook = Webhook(SecretStr(sys.argv[1]), timeout=timeout, allow_private=("localhost",))
    store = Store.open(os.environ["DRIFTMON_DATABASE"])
    Dispatcher(store, (Route("hook", hook, pages=True),), patience=PATIENCE, lease=LEASE).start()
    print("telling", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
