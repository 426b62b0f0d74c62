"""Peer: RealNVP over 64 entries in eager PyTorch: eight affine couplings of halves in turn, conditioners 32-256-256-64."""

import math

import torch
from torch import nn

from torch_peer import serve

BATCH, ENTRIES, HIDDEN, STEPS = 256, 64, 256, 8
HALF = ENTRIES // 2


class Coupling(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(HALF, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * HALF)
        )
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def inverse(self, x):
        kept, changed = x.chunk(2, dim=-1)
        shift, raw = self.net(kept).chunk(2, dim=-1)
        log_scale = 3 * torch.tanh(raw / 3)
        return torch.cat([kept, changed * torch.exp(log_scale) + shift], dim=-1), log_scale.sum(-1)


class RealNVP(nn.Module):
    def __init__(self):
        super().__init__()
        self.couplings = nn.ModuleList([Coupling() for _ in range(STEPS)])

    def forward(self, x):
        log_det = torch.zeros(len(x))
        for coupling in reversed(self.couplings):
            x, own = coupling.inverse(x.flip(-1))
            log_det = log_det + own
        log_prob = -0.5 * (x * x).sum(-1) - 0.5 * ENTRIES * math.log(2 * math.pi)
        return -(log_prob + log_det)


serve(lambda data: (RealNVP(), data.reshape(-1, BATCH, ENTRIES)))
