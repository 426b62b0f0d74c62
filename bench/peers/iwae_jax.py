"""Peer: the step of examples/iwae.gm in JAX: 784-400-400-50-400-400-784, the bound of 50 samples, pixels and noise drawn in each step."""

import math

import jax
import jax.numpy as jnp

from jax_peer import dense, descend, layers, minus_log_bernoulli, mlp, serve

BATCH, PIXELS, HIDDEN, LATENT, SAMPLES = 100, 784, 400, 50, 50


def loss_of(params, probabilities, key):
    draw, own = jax.random.split(key)
    x = jax.random.bernoulli(draw, probabilities).astype(jnp.float32)
    h = jax.nn.relu(mlp(params["encoder"], x))
    mu, log_scale = dense(params["loc"][0], h), dense(params["log_scale"][0], h)
    noise = jax.random.normal(own, (SAMPLES, *mu.shape))
    z = mu + noise * jnp.exp(log_scale)
    # the normalisers of prior and posterior cancel
    log_ratio = (-0.5 * z * z + 0.5 * noise * noise + log_scale).sum(-1)
    return math.log(SAMPLES) - jax.nn.logsumexp(log_ratio - minus_log_bernoulli(mlp(params["decoder"], z), x), axis=0)


def make(data):
    params = {
        "encoder": layers(0, PIXELS, HIDDEN, HIDDEN),
        "loc": layers(1, HIDDEN, LATENT),
        "log_scale": layers(2, HIDDEN, LATENT),
        "decoder": layers(3, LATENT, HIDDEN, HIDDEN, PIXELS),
    }
    return descend(loss_of, params, data.reshape(-1, BATCH, PIXELS))


serve(make)
