"""Our Muon against torch's."""

from __future__ import annotations

import torch

from anchorgym.training.learning.muon import Muon


def test_steps_are_those_of_torch_but_for_its_coarser_numbers() -> None:
    torch.manual_seed(0)
    shapes = [(16, 16), (16, 16), (48, 16), (16, 48)]
    one = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    other = [torch.nn.Parameter(p.detach().clone()) for p in one]
    ours = Muon(one, 0.02, weight_decay=0.05)
    theirs = torch.optim.Muon(other, 0.02, weight_decay=0.05)
    for _ in range(3):
        for p, q in zip(one, other, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        ours.step()
        theirs.step()
    for p, q in zip(one, other, strict=True):
        torch.testing.assert_close(p, q, atol=2e-3, rtol=0)
