"""Peer: annealed importance sampling of an RBM's log Z by hand in JAX, 100 chains, from the uniform distribution; a step is a run. As ais_torch.py."""

import math
import os

import jax
import jax.numpy as jnp

from jax_peer import serve

CHAINS, VISIBLE, HIDDEN = 100, 784, 500
TEMPERATURES = int(os.environ.get("GMC_BENCH_TEMPERATURES", "10000"))


def make(data):
    a, b = jnp.zeros(HIDDEN), jnp.zeros(VISIBLE)

    def run(kernel, count):
        key = jax.random.fold_in(jax.random.key(7), count)
        draw = lambda of, p: jax.random.bernoulli(jax.random.fold_in(key, of), p).astype(jnp.float32)

        def temper(i, carried):
            v, log_weight = carried
            old, new = i / TEMPERATURES, (i + 1) / TEMPERATURES
            field = v @ kernel + a
            log_weight += (new - old) * (v @ b) + (jax.nn.softplus(new * field) - jax.nn.softplus(old * field)).sum(1)
            h = draw(2 * i + 1, jax.nn.sigmoid(new * field))
            return draw(2 * i + 2, jax.nn.sigmoid(new * (h @ kernel.T + b))), log_weight

        start = draw(0, jnp.full((CHAINS, VISIBLE), 0.5)), jnp.zeros(CHAINS)
        _, log_weight = jax.lax.fori_loop(0, TEMPERATURES, temper, start)
        return kernel, (VISIBLE + HIDDEN) * math.log(2) + jax.nn.logsumexp(log_weight) - math.log(CHAINS)

    return data.reshape(VISIBLE, HIDDEN), run


serve(make)
