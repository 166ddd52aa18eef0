"""The SQL store: models, the window ledger, repositories."""

from monitor.store.baselines import AuditEntry
from monitor.store.evidence import CollectionState
from monitor.store.ledger import Claim
from monitor.store.retention import Retention
from monitor.store.status import PastWindow, WindowError
from monitor.store.store import Store

__all__ = ["AuditEntry", "Claim", "CollectionState", "PastWindow", "Retention", "Store", "WindowError"]
