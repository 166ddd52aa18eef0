"""A short version of the upgrade and rollback of `make torture`: the release before and this one as real pods."""

from __future__ import annotations

import pytest

from benchmarks.torture import releases, upgrade
from benchmarks.torture.report import missed

pytestmark = [pytest.mark.helm, pytest.mark.e2e, pytest.mark.postgres]


def test_an_upgrade_and_a_rollback_lose_nothing_and_double_nothing() -> None:
    try:
        figures = upgrade.run(0.05)
    except (releases.NoPreviousReleaseError, upgrade.NoHelmError) as error:
        pytest.skip(str(error))
    assert missed(figures) == []
    # Both releases have had work to do, or nothing was tried.
    assert all(f["value"] for f in figures if f["name"].startswith("… of them worked by"))
