"""Peer: the VAE step 784-400-20-400-784 in JAX, the whole step, draws and Adam included, as one jitted function. Arguments and answers as of torch_peer.py."""

import json
import resource
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

BATCH, PIXELS, HIDDEN, LATENT, RATE = 128, 784, 400, 20, 1e-3


def layer(key, rows, columns):
    bound = (6 / (rows + columns)) ** 0.5
    return {"w": jax.random.uniform(key, (rows, columns), minval=-bound, maxval=bound), "b": jnp.zeros(columns)}


def dense(p, x):
    return x @ p["w"] + p["b"]


def loss_of(params, x, key):
    h = jax.nn.relu(dense(params["encoder"], x))
    mu, log_var = dense(params["loc"], h), dense(params["log_var"], h)
    z = mu + jax.random.normal(key, mu.shape) * jnp.exp(0.5 * log_var)
    logits = dense(params["output"], jax.nn.relu(dense(params["decoder"], z)))
    bce = (jax.nn.softplus(logits) - x * logits).sum(-1)
    kl = -0.5 * (1 + log_var - mu * mu - jnp.exp(log_var)).sum(-1)
    return (bce + kl).mean()


@jax.jit
def step(params, m, v, count, batches):
    draw, noise = jax.random.split(jax.random.fold_in(jax.random.key(7), count))
    probabilities = batches[count % len(batches)]
    x = (jax.random.uniform(draw, probabilities.shape) < probabilities).astype(jnp.float32)
    loss, grads = jax.value_and_grad(loss_of)(params, x, noise)
    t = count + 1
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)
    moved = lambda p, a, b: p - RATE * (a / (1 - 0.9**t)) / (jnp.sqrt(b / (1 - 0.999**t)) + 1e-8)
    return jax.tree.map(moved, params, m, v), m, v, loss


def main():
    jax.config.update("jax_default_matmul_precision", "highest")
    sizes = {"encoder": (PIXELS, HIDDEN), "loc": (HIDDEN, LATENT), "log_var": (HIDDEN, LATENT), "decoder": (LATENT, HIDDEN), "output": (HIDDEN, PIXELS)}
    params = {name: layer(jax.random.key(i), *size) for i, (name, size) in enumerate(sizes.items())}
    m = v = jax.tree.map(jnp.zeros_like, params)
    batches = jnp.asarray(np.fromfile(sys.argv[2], dtype=np.float32).reshape(-1, BATCH, PIXELS))
    steps = int(sys.argv[3])
    count = 0
    print(json.dumps({"version": f"JAX {jax.__version__}, jit, {jax.devices()[0].platform}"}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(steps):
            params, m, v, loss = step(params, m, v, jnp.int32(count), batches)
            count += 1
        # reading the last loss waits for all before it
        last = float(loss)
        ms = (time.perf_counter() - start) * 1000 / steps
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": [ms] * steps, "last": last, "peakMiB": peak}), flush=True)


main()
