"""Peer: WaveNet over windows of 1,024 mu-law codes in eager PyTorch: ten gated causal convolutions, dilations 1 to 512, skip connections."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_peer import serve

BATCH, LENGTH, CODES, CHANNELS, SKIP, LAYERS = 4, 1024, 256, 32, 64, 10


class CausalConv(nn.Conv1d):
    def __init__(self, inputs, outputs, dilation=1):
        super().__init__(inputs, outputs, 2, dilation=dilation)

    def forward(self, x):
        return super().forward(F.pad(x, (self.dilation[0], 0)))


class WaveNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = CausalConv(CODES, CHANNELS)
        self.filters = nn.ModuleList([CausalConv(CHANNELS, CHANNELS, 2**i) for i in range(LAYERS)])
        self.gates = nn.ModuleList([CausalConv(CHANNELS, CHANNELS, 2**i) for i in range(LAYERS)])
        self.residuals = nn.ModuleList([nn.Conv1d(CHANNELS, CHANNELS, 1) for _ in range(LAYERS)])
        self.skips = nn.ModuleList([nn.Conv1d(CHANNELS, SKIP, 1) for _ in range(LAYERS)])
        self.last = nn.Sequential(nn.ReLU(), nn.Conv1d(SKIP, SKIP, 1), nn.ReLU(), nn.Conv1d(SKIP, CODES, 1))

    def forward(self, codes):
        x = F.one_hot(codes, CODES).float().transpose(1, 2)
        # the first convolution sees what comes before a position alone
        h = self.first(F.pad(x, (1, 0))[:, :, :-1])
        total = 0
        for filters, gate, residual, skip in zip(self.filters, self.gates, self.residuals, self.skips):
            g = torch.tanh(filters(h)) * torch.sigmoid(gate(h))
            h = h + residual(g)
            total = total + skip(g)
        return F.cross_entropy(self.last(total), codes, reduction="none").sum(-1)


serve(lambda data: (WaveNet(), data.long().reshape(-1, BATCH, LENGTH)))
