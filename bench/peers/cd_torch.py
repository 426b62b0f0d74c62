"""Peer: a step of CD-25 for an RBM 784-500 by hand in PyTorch, as RBM code is written: no autograd, one product a half sweep.

cd_torch.py <threads> <pictures> <steps>: answers each line on standard input with one run of `steps` steps, as peer.mjs does.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F

BATCH, VISIBLE, HIDDEN, SWEEPS, RATE = 100, 784, 500, 25, 0.05


def minus_free_energy(v, kernel, a, b):
    return v @ b + F.softplus(torch.addmm(a, v, kernel)).sum(1)


@torch.no_grad()
def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(7)
    kernel = 0.01 * torch.randn(VISIBLE, HIDDEN)
    a, b = torch.zeros(HIDDEN), torch.zeros(VISIBLE)
    with open(sys.argv[2], "rb") as file:
        pictures = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(-1, BATCH, VISIBLE)
    steps = int(sys.argv[3])
    count = 0
    print(json.dumps({"version": f"PyTorch {torch.__version__}, eager"}), flush=True)
    for _ in sys.stdin:
        times = []
        value = 0.0
        for _ in range(steps):
            start = time.perf_counter()
            v = torch.bernoulli(pictures[count % len(pictures)])
            h_data = torch.sigmoid(torch.addmm(a, v, kernel))
            h = h_data
            for _ in range(SWEEPS):
                sample = torch.bernoulli(torch.addmm(b, torch.bernoulli(h), kernel.t()).sigmoid_())
                h = torch.addmm(a, sample, kernel).sigmoid_()
            value = (minus_free_energy(sample, kernel, a, b) - minus_free_energy(v, kernel, a, b)).mean().item()
            kernel += RATE / BATCH * (v.t() @ h_data - sample.t() @ h)
            a += RATE * (h_data - h).mean(0)
            b += RATE * (v - sample).mean(0)
            times.append((time.perf_counter() - start) * 1000)
            count += 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": times, "last": value, "peakMiB": peak}), flush=True)


main()
