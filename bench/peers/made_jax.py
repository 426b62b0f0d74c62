"""Peer: MADE 784-500-784 in JAX, the mask multiplied into the kernel at every call."""

import jax
import jax.numpy as jnp

from jax_peer import descend, layers, minus_log_bernoulli, serve

BATCH, PIXELS, HIDDEN = 100, 784, 500
pixels = jnp.arange(1, PIXELS + 1)
hidden = jnp.arange(HIDDEN) % (PIXELS - 1) + 1
MASKS = [pixels[:, None] <= hidden[None, :], hidden[:, None] < pixels[None, :]]


def loss_of(params, x, _):
    masked = lambda i, h: h @ (params[i]["w"] * MASKS[i]) + params[i]["b"]
    return minus_log_bernoulli(masked(1, jax.nn.relu(masked(0, x))), x)


serve(lambda data: descend(loss_of, layers(0, PIXELS, HIDDEN, PIXELS), data.reshape(-1, BATCH, PIXELS)))
