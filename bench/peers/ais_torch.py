"""Peer: annealed importance sampling of an RBM's log Z by hand in PyTorch, 100 chains, from the uniform distribution; a step is a run.

The data are the kernel; GMC_BENCH_TEMPERATURES says how many temperatures, 10,000 if it does not.
"""

import math
import os

import torch
import torch.nn.functional as F

from torch_peer import serve_steps

CHAINS, VISIBLE, HIDDEN = 100, 784, 500
TEMPERATURES = int(os.environ.get("GMC_BENCH_TEMPERATURES", "10000"))


@torch.no_grad()
def log_partition(kernel, a, b):
    """Hidden units are summed out of the weights; a sweep draws them at each temperature."""
    v = torch.bernoulli(torch.full((CHAINS, VISIBLE), 0.5))
    log_weight = torch.zeros(CHAINS)
    for i in range(TEMPERATURES):
        old, new = i / TEMPERATURES, (i + 1) / TEMPERATURES
        field = torch.addmm(a, v, kernel)
        log_weight += (new - old) * (v @ b) + (F.softplus(new * field) - F.softplus(old * field)).sum(1)
        h = torch.bernoulli(torch.sigmoid(new * field))
        v = torch.bernoulli((new * torch.addmm(b, h, kernel.t())).sigmoid_())
    base = (VISIBLE + HIDDEN) * math.log(2)
    return base + torch.logsumexp(log_weight, 0) - math.log(CHAINS)


def make(data):
    kernel = data.reshape(VISIBLE, HIDDEN)
    a, b = torch.zeros(HIDDEN), torch.zeros(VISIBLE)
    return lambda _: log_partition(kernel, a, b)


serve_steps(make)
