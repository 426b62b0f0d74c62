"""Peer: MADE 784-500-784 in eager PyTorch: masked linear layers, the mask multiplied into the weight at every call, as its users write it."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_peer import serve

BATCH, PIXELS, HIDDEN = 100, 784, 500


class MaskedLinear(nn.Linear):
    def __init__(self, before, after, strict):
        super().__init__(len(before), len(after))
        mask = after[:, None] > before[None, :] if strict else after[:, None] >= before[None, :]
        self.register_buffer("mask", mask.float())

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    def __init__(self):
        super().__init__()
        pixels = torch.arange(1, PIXELS + 1)
        hidden = torch.arange(HIDDEN) % (PIXELS - 1) + 1
        self.net = nn.Sequential(MaskedLinear(pixels, hidden, False), nn.ReLU(), MaskedLinear(hidden, pixels, True))

    def forward(self, x):
        return F.binary_cross_entropy_with_logits(self.net(x), x, reduction="none").sum(-1)


serve(lambda data: (MADE(), data.reshape(-1, BATCH, PIXELS)))
