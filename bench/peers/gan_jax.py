"""Peer: a GAN of two hidden layers on either side in JAX, a step of either player."""

import jax
import jax.numpy as jnp

from jax_peer import adam, adam_start, layers, mlp, serve

BATCH, PIXELS, HIDDEN, NOISE, RATE, BETA1 = 100, 784, 256, 64, 2e-4, 0.5


def generate(g, z):
    return jax.nn.sigmoid(mlp(g, z))


def criticise(d, x):
    return mlp(d, x, between=lambda h: jax.nn.leaky_relu(h, 0.2)).sum(-1)


def make(data):
    batches = data.reshape(-1, BATCH, PIXELS)

    # Goodfellow et al. 2014, eq. 1, and the generator's own objective
    def step(state, count):
        g, of_g, d, of_d = state
        keys = jax.random.split(jax.random.fold_in(jax.random.key(7), count))
        x = batches[count % len(batches)]
        fake = generate(g, jax.random.normal(keys[0], (BATCH, NOISE)))
        minimax = lambda d: -(jax.nn.log_sigmoid(criticise(d, x)) + jax.nn.log_sigmoid(-criticise(d, fake))).mean()
        loss, grads = jax.value_and_grad(minimax)(d)
        d, of_d = adam(d, of_d, grads, count + 1, RATE, BETA1)
        z = jax.random.normal(keys[1], (BATCH, NOISE))
        grads = jax.grad(lambda g: -jax.nn.log_sigmoid(criticise(d, generate(g, z))).mean())(g)
        g, of_g = adam(g, of_g, grads, count + 1, RATE, BETA1)
        return (g, of_g, d, of_d), loss

    g, d = layers(0, NOISE, HIDDEN, HIDDEN, PIXELS), layers(1, PIXELS, HIDDEN, HIDDEN, 1)
    return (g, adam_start(g), d, adam_start(d)), step


serve(make)
