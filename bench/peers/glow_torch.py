"""Peer: Glow over 32 x 32 RGB in eager PyTorch: two levels of four steps, conditioners of 128 channels, channels first as PyTorch has them.

The 1 x 1 convolutions are in LU form and the last layer of a conditioner is 1 x 1, as in the .gm file. Every prior is standard normal.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_peer import serve

BATCH, HIDDEN, STEPS = 16, 128, 4


class ActNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.started = False

    def forward(self, x):
        if not self.started:
            self.started = True
            with torch.no_grad():
                self.shift.copy_(x.mean((0, 2, 3), keepdim=True))
                self.log_scale.copy_(torch.log(x.std((0, 2, 3), keepdim=True) + 1e-6))
        log_det = -self.log_scale.sum() * x.shape[2] * x.shape[3]
        return (x - self.shift) * torch.exp(-self.log_scale), log_det


class InvertibleConv(nn.Module):
    def __init__(self, channels):
        super().__init__()
        q = torch.linalg.qr(torch.randn(channels, channels))[0]
        p, lower, upper = torch.linalg.lu(q)
        s = torch.diagonal(upper)
        self.register_buffer("p", p)
        self.register_buffer("sign", torch.sign(s))
        self.lower = nn.Parameter(lower)
        self.upper = nn.Parameter(torch.triu(upper, 1))
        self.log_s = nn.Parameter(torch.log(torch.abs(s)))
        self.register_buffer("eye", torch.eye(channels))

    def forward(self, x):
        lower = torch.tril(self.lower, -1) + self.eye
        upper = torch.triu(self.upper, 1) + torch.diag(self.sign * torch.exp(self.log_s))
        weight = self.p @ lower @ upper
        return F.conv2d(x, weight[:, :, None, None]), self.log_s.sum() * x.shape[2] * x.shape[3]


class Coupling(nn.Module):
    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.net = nn.Sequential(
            nn.Conv2d(half, HIDDEN, 3, padding=1), nn.ReLU(), nn.Conv2d(HIDDEN, HIDDEN, 1), nn.ReLU(), nn.Conv2d(HIDDEN, 2 * half, 1)
        )
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x):
        kept, changed = x.chunk(2, dim=1)
        shift, raw = self.net(kept).chunk(2, dim=1)
        log_scale = F.logsigmoid(raw + 2)
        return torch.cat([kept, changed * torch.exp(log_scale) + shift], dim=1), log_scale.sum((1, 2, 3))


class Glow(nn.Module):
    def __init__(self):
        super().__init__()

        def level(channels):
            return nn.ModuleList(
                [nn.ModuleList([ActNorm(channels), InvertibleConv(channels), Coupling(channels)]) for _ in range(STEPS)]
            )

        self.levels = nn.ModuleList([level(12), level(24)])

    def forward(self, x):
        log_prob = torch.zeros(len(x))
        for i, level in enumerate(self.levels):
            x = F.pixel_unshuffle(x, 2)
            for step in level:
                for bijection in step:
                    x, log_det = bijection(x)
                    log_prob = log_prob + log_det
            if i == 0:
                x, done = x.chunk(2, dim=1)
                log_prob = log_prob - 0.5 * (done * done).sum((1, 2, 3))
        log_prob = log_prob - 0.5 * (x * x).sum((1, 2, 3)) - 0.5 * 3072 * math.log(2 * math.pi)
        return -log_prob


def make(data):
    pictures = data.reshape(-1, BATCH, 32, 32, 3).permute(0, 1, 4, 2, 3).contiguous()
    return Glow(), pictures


serve(make)
