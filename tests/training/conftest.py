"""Fixtures of the tests of training."""

from __future__ import annotations

import pytest

from anchorgym.training.run import job


@pytest.fixture(autouse=True)
def no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing at the end of a training, which takes longer than training does here.

    Tests that are marked `pictures`, and runs that a module shares, draw.
    """
    if "pictures" not in request.keywords:
        for name in ("draw_curve", "draw_anchors"):
            monkeypatch.setattr(job, name, lambda *_: None)
