"""Peer: the step of examples/pixelcnn.gm in PyTorch: masked convolutions, 7 x 7 of 32 channels and five residual blocks of 16, channels first."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_peer import serve

BATCH, SIDE, CHANNELS, BLOCKS = 50, 28, 16, 5


class MaskedConv(nn.Conv2d):
    def __init__(self, before, after, window, sees_itself):
        super().__init__(before, after, window, padding=window // 2)
        mask = torch.zeros(window, window)
        mask[: window // 2] = 1
        mask[window // 2, : window // 2 + sees_itself] = 1
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.ReLU(), nn.Conv2d(2 * CHANNELS, CHANNELS, 1),
            nn.ReLU(), MaskedConv(CHANNELS, CHANNELS, 3, True),
            nn.ReLU(), nn.Conv2d(CHANNELS, 2 * CHANNELS, 1),
        )  # fmt: skip

    def forward(self, x):
        return x + self.net(x)


class PixelCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            MaskedConv(1, 2 * CHANNELS, 7, False), *[Block() for _ in range(BLOCKS)],
            nn.ReLU(), nn.Conv2d(2 * CHANNELS, 2 * CHANNELS, 1), nn.ReLU(), nn.Conv2d(2 * CHANNELS, 1, 1),
        )  # fmt: skip
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        return F.binary_cross_entropy_with_logits(self.net(x), x, reduction="none").sum((1, 2, 3))


serve(lambda data: (PixelCNN(), data.reshape(-1, BATCH, 1, SIDE, SIDE)))
