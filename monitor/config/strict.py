"""The kind of model that all of driftmon.yaml is made of."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Names of collections and hooks."""


class Strict(BaseModel):
    """Refuses keys that it does not know, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
