"""Peer: RealNVP over 64 entries in JAX: eight affine couplings of halves in turn, conditioners 32-256-256-64."""

import math

import jax.numpy as jnp

from jax_peer import descend, layers, mlp, serve

BATCH, ENTRIES, HIDDEN, STEPS = 256, 64, 256, 8
HALF = ENTRIES // 2


def loss_of(params, x, _):
    log_det = jnp.zeros(len(x))
    for net in reversed(params):
        kept, changed = jnp.split(x[:, ::-1], 2, axis=-1)
        shift, raw = jnp.split(mlp(net, kept), 2, axis=-1)
        log_scale = 3 * jnp.tanh(raw / 3)
        x = jnp.concatenate([kept, changed * jnp.exp(log_scale) + shift], axis=-1)
        log_det += log_scale.sum(-1)
    return 0.5 * (x * x).sum(-1) + 0.5 * ENTRIES * math.log(2 * math.pi) - log_det


def make(data):
    params = [layers(i, HALF, HIDDEN, HIDDEN, 2 * HALF) for i in range(STEPS)]
    for net in params:
        net[-1]["w"] = jnp.zeros_like(net[-1]["w"])
    return descend(loss_of, params, data.reshape(-1, BATCH, ENTRIES))


serve(make)
