"""Peer: the VAE step 784-400-20-400-784 in PyTorch, written the way a PyTorch user writes it: pixels and noise are drawn in each step."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_peer import serve

BATCH, PIXELS, HIDDEN, LATENT = 128, 784, 400, 20


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(PIXELS, HIDDEN)
        self.loc = nn.Linear(HIDDEN, LATENT)
        self.log_var = nn.Linear(HIDDEN, LATENT)
        self.decoder = nn.Linear(LATENT, HIDDEN)
        self.output = nn.Linear(HIDDEN, PIXELS)
        for layer in self.children():
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, probabilities):
        x = torch.bernoulli(probabilities)
        h = F.relu(self.encoder(x))
        mu, log_var = self.loc(h), self.log_var(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        logits = self.output(F.relu(self.decoder(z)))
        bce = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        kl = -0.5 * torch.sum(1 + log_var - mu * mu - log_var.exp(), -1)
        return bce + kl


serve(lambda data: (VAE(), data.reshape(-1, BATCH, PIXELS)))
