"""The SQL store: models, the window ledger, repositories."""
