"""Peer: NADE 784-500-784 in JAX, with running sums of all entries at once, [batch, pixels, hidden], as its derivative needs them."""

import jax
import jax.numpy as jnp

from jax_peer import descend, glorot, minus_log_bernoulli, serve

BATCH, PIXELS, HIDDEN = 100, 784, 500


def loss_of(params, x, _):
    terms = x[:, :, None] * params["inward"]
    hidden = jax.nn.sigmoid(params["hidden_bias"] + jnp.cumsum(terms, 1) - terms)
    return minus_log_bernoulli((hidden * params["outward"]).sum(-1) + params["bias"], x)


start = {
    "inward": glorot(jax.random.key(0), PIXELS, HIDDEN)["w"],
    "outward": glorot(jax.random.key(1), PIXELS, HIDDEN)["w"],
    "hidden_bias": jnp.zeros(HIDDEN),
    "bias": jnp.zeros(PIXELS),
}
serve(lambda data: descend(loss_of, start, data.reshape(-1, BATCH, PIXELS)))
