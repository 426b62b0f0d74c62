"""Peer: the VAE step 784-400-20-400-784 in eager PyTorch, written the way a PyTorch user writes it.

vae_torch.py <threads> <pictures> <steps>: answers each line on standard input with one run of `steps` steps, as a line of JSON
{"ms": [...], "last": ..., "peakMiB": ...}, as peer.mjs does.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

BATCH, PIXELS, HIDDEN, LATENT = 128, 784, 400, 20


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(PIXELS, HIDDEN)
        self.loc = nn.Linear(HIDDEN, LATENT)
        self.log_var = nn.Linear(HIDDEN, LATENT)
        self.decoder = nn.Linear(LATENT, HIDDEN)
        self.output = nn.Linear(HIDDEN, PIXELS)

    def forward(self, x):
        h = F.relu(self.encoder(x))
        mu, log_var = self.loc(h), self.log_var(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        return self.output(F.relu(self.decoder(z))), mu, log_var


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(7)
    model = VAE()
    for layer in model.children():
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    with open(sys.argv[2], "rb") as file:
        pictures = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(-1, BATCH, PIXELS)
    steps = int(sys.argv[3])
    count = 0
    print(json.dumps({"version": f"PyTorch {torch.__version__}, eager"}), flush=True)
    for _ in sys.stdin:
        times = []
        loss = 0.0
        for _ in range(steps):
            start = time.perf_counter()
            x = torch.bernoulli(pictures[count % len(pictures)])
            logits, mu, log_var = model(x)
            bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
            kl = -0.5 * torch.sum(1 + log_var - mu * mu - log_var.exp())
            objective = (bce + kl) / BATCH
            optimiser.zero_grad(set_to_none=True)
            objective.backward()
            optimiser.step()
            loss = objective.item()
            times.append((time.perf_counter() - start) * 1000)
            count += 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": times, "last": loss, "peakMiB": peak}), flush=True)


main()
