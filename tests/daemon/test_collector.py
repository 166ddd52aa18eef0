from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, weakref
from monitor.daemon.collector import YOUNG, calm_collector
calm_collector()
class Node: pass
node = Node(); node.itself = node
alive = weakref.ref(node); del node
kept = [[] for _ in range(YOUNG + 10)]
print(gc.get_freeze_count() > 1000, gc.isenabled(), alive() is None)
"""


def test_what_stays_is_passed_over_and_cycles_are_still_found() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "True"]
