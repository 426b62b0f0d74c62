"""Peer: a step of CD-25 for an RBM 784-500 by hand in JAX, the sweeps a loop of XLA."""

import jax
import jax.numpy as jnp

from jax_peer import serve

BATCH, VISIBLE, HIDDEN, SWEEPS, RATE = 100, 784, 500, 25, 0.05


def minus_free_energy(v, kernel, a, b):
    return v @ b + jax.nn.softplus(v @ kernel + a).sum(1)


def make(data):
    pictures = data.reshape(-1, BATCH, VISIBLE)

    def step(state, count):
        kernel, a, b = state
        key = jax.random.fold_in(jax.random.key(7), count)
        draw = lambda of, p: jax.random.bernoulli(jax.random.fold_in(key, of), p).astype(jnp.float32)
        v = draw(0, pictures[count % len(pictures)])
        h_data = jax.nn.sigmoid(v @ kernel + a)

        def sweep(i, carried):
            h, _ = carried
            sample = draw(2 * i + 2, jax.nn.sigmoid(draw(2 * i + 1, h) @ kernel.T + b))
            return jax.nn.sigmoid(sample @ kernel + a), sample

        h, sample = jax.lax.fori_loop(0, SWEEPS, sweep, (h_data, v))
        value = (minus_free_energy(sample, kernel, a, b) - minus_free_energy(v, kernel, a, b)).mean()
        kernel += RATE / BATCH * (v.T @ h_data - sample.T @ h)
        return (kernel, a + RATE * (h_data - h).mean(0), b + RATE * (v - sample).mean(0)), value

    return (0.01 * jax.random.normal(jax.random.key(1), (VISIBLE, HIDDEN)), jnp.zeros(HIDDEN), jnp.zeros(VISIBLE)), step


serve(make)
