"""Peer: a step of CD-25 for an RBM 784-500 by hand in PyTorch, as RBM code is written: no autograd, one product a half sweep."""

import torch
import torch.nn.functional as F

from torch_peer import serve_steps

BATCH, VISIBLE, HIDDEN, SWEEPS, RATE = 100, 784, 500, 25, 0.05


def minus_free_energy(v, kernel, a, b):
    return v @ b + F.softplus(torch.addmm(a, v, kernel)).sum(1)


def make(data):
    kernel = 0.01 * torch.randn(VISIBLE, HIDDEN)
    a, b = torch.zeros(HIDDEN), torch.zeros(VISIBLE)
    pictures = data.reshape(-1, BATCH, VISIBLE)

    @torch.no_grad()
    def step(count):
        v = torch.bernoulli(pictures[count % len(pictures)])
        h_data = torch.sigmoid(torch.addmm(a, v, kernel))
        h = h_data
        for _ in range(SWEEPS):
            sample = torch.bernoulli(torch.addmm(b, torch.bernoulli(h), kernel.t()).sigmoid_())
            h = torch.addmm(a, sample, kernel).sigmoid_()
        value = (minus_free_energy(sample, kernel, a, b) - minus_free_energy(v, kernel, a, b)).mean()
        kernel.add_(RATE / BATCH * (v.t() @ h_data - sample.t() @ h))
        a.add_(RATE * (h_data - h).mean(0))
        b.add_(RATE * (v - sample).mean(0))
        return value

    return step


serve_steps(make)
