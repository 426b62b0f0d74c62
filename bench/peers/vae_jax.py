"""Peer: the VAE step 784-400-20-400-784 in JAX: pixels and noise are drawn in each step."""

import jax
import jax.numpy as jnp

from jax_peer import dense, descend, layers, minus_log_bernoulli, mlp, serve

BATCH, PIXELS, HIDDEN, LATENT = 128, 784, 400, 20


def loss_of(params, probabilities, key):
    draw, noise = jax.random.split(key)
    x = jax.random.bernoulli(draw, probabilities).astype(jnp.float32)
    h = jax.nn.relu(dense(params["encoder"][0], x))
    mu, log_var = dense(params["loc"][0], h), dense(params["log_var"][0], h)
    z = mu + jax.random.normal(noise, mu.shape) * jnp.exp(0.5 * log_var)
    kl = -0.5 * (1 + log_var - mu * mu - jnp.exp(log_var)).sum(-1)
    return minus_log_bernoulli(mlp(params["decoder"], z), x) + kl


def make(data):
    params = {
        "encoder": layers(0, PIXELS, HIDDEN),
        "loc": layers(1, HIDDEN, LATENT),
        "log_var": layers(2, HIDDEN, LATENT),
        "decoder": layers(3, LATENT, HIDDEN, PIXELS),
    }
    return descend(loss_of, params, data.reshape(-1, BATCH, PIXELS))


serve(make)
