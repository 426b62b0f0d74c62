"""Peer: the step of examples/iwae.gm in PyTorch: 784-400-400-50-400-400-784, rectified linear units, the bound of 50 samples, pixels and noise drawn in each step."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_peer import serve

BATCH, PIXELS, HIDDEN, LATENT, SAMPLES = 100, 784, 400, 50, 50


class IWAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU())
        self.loc = nn.Linear(HIDDEN, LATENT)
        self.log_scale = nn.Linear(HIDDEN, LATENT)
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, probabilities):
        x = torch.bernoulli(probabilities)
        h = self.encoder(x)
        mu, log_scale = self.loc(h), self.log_scale(h)
        noise = torch.randn(SAMPLES, *mu.shape)
        z = mu + noise * log_scale.exp()
        logits = self.decoder(z)
        log_likelihood = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)
        # the normalisers of prior and posterior cancel
        log_ratio = (-0.5 * z * z + 0.5 * noise * noise + log_scale).sum(-1)
        return math.log(SAMPLES) - torch.logsumexp(log_likelihood + log_ratio, 0)


serve(lambda data: (IWAE(), data.reshape(-1, BATCH, PIXELS)))
