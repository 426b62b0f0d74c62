"""Peer: annealed importance sampling of an RBM's log Z by hand in PyTorch, 100 chains, 10,000 temperatures, from the uniform distribution.

ais_torch.py <threads> <kernel> <runs>: answers each line on standard input with so many runs, as peer.mjs does.
"""

import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F

CHAINS, TEMPERATURES, VISIBLE, HIDDEN = 100, 10000, 784, 500


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
    return (base + torch.logsumexp(log_weight, 0) - math.log(CHAINS)).item()


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(7)
    with open(sys.argv[2], "rb") as file:
        kernel = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(VISIBLE, HIDDEN)
    a, b = torch.zeros(HIDDEN), torch.zeros(VISIBLE)
    print(json.dumps({"version": f"PyTorch {torch.__version__}, eager"}), flush=True)
    for _ in sys.stdin:
        times = []
        value = 0.0
        for _ in range(int(sys.argv[3])):
            start = time.perf_counter()
            value = log_partition(kernel, a, b)
            times.append((time.perf_counter() - start) * 1000)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": times, "last": value, "peakMiB": peak}), flush=True)


main()
