"""What the JAX peers share: `serve(make)` answers each line on standard input with one run of steps, as peer.mjs does.

Arguments of the process: threads (JAX has no such setting: not read), a file of float32 numbers, steps of a run. `make(data)` takes that file as a flat
array and gives the state at the start and the step: (state, count) to (state, loss), jitted here as a whole, draws and updates included.
"""

import json
import resource
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np


def glorot(key, rows, columns):
    """A dense layer: kernel by Glorot's rule, bias 0."""
    bound = (6 / (rows + columns)) ** 0.5
    return {"w": jax.random.uniform(key, (rows, columns), minval=-bound, maxval=bound), "b": jnp.zeros(columns)}


def conv_start(key, before, after, window=1):
    """A convolution of square windows: kernel [window, window, before, after] by Glorot's rule, bias 0."""
    bound = (6 / (window * window * (before + after))) ** 0.5
    return {"w": jax.random.uniform(key, (window, window, before, after), minval=-bound, maxval=bound), "b": jnp.zeros(after)}


def image_conv(x, kernel, stride):
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def layers(seed, *sizes):
    """Dense layers of these widths in turn."""
    return [glorot(jax.random.key(100 * seed + i), *size) for i, size in enumerate(zip(sizes, sizes[1:]))]


def dense(p, x):
    return x @ p["w"] + p["b"]


def mlp(stack, x, between=jax.nn.relu):
    for p in stack[:-1]:
        x = between(dense(p, x))
    return dense(stack[-1], x)


def adam_start(params):
    zeros = jax.tree.map(jnp.zeros_like, params)
    return zeros, zeros


def adam(params, moments, grads, t, rate, beta1=0.9, beta2=0.999):
    """Kingma & Ba 2015, algorithm 1; t counts from 1."""
    m = jax.tree.map(lambda a, g: beta1 * a + (1 - beta1) * g, moments[0], grads)
    v = jax.tree.map(lambda a, g: beta2 * a + (1 - beta2) * g * g, moments[1], grads)
    moved = lambda p, a, b: p - rate * (a / (1 - beta1**t)) / (jnp.sqrt(b / (1 - beta2**t)) + 1e-8)
    return jax.tree.map(moved, params, m, v), (m, v)


def descend(loss_of, params, batches, rate=1e-3):
    """A step of Adam on the mean of `loss_of(params, batch, key)`, one value a row."""

    def step(state, count):
        params, moments = state
        key = jax.random.fold_in(jax.random.key(7), count)
        batch = batches[count % len(batches)]
        loss, grads = jax.value_and_grad(lambda p: loss_of(p, batch, key).mean())(params)
        return adam(params, moments, grads, count + 1, rate), loss

    return (params, adam_start(params)), step


def minus_log_bernoulli(logits, x):
    return (jax.nn.softplus(logits) - x * logits).reshape(*logits.shape[: logits.ndim - 1], -1).sum(-1)


def serve(make):
    # as exact as the other peers, on cards that would round products
    jax.config.update("jax_default_matmul_precision", "highest")
    state, one = make(jnp.asarray(np.fromfile(sys.argv[2], dtype=np.float32)))
    step = jax.jit(one, donate_argnums=0)
    # leaves that share one array cannot both be given away
    state = jax.tree.map(jnp.copy, state)
    steps = int(sys.argv[3])
    count = 0
    print(json.dumps({"version": f"JAX {jax.__version__}, jit, {jax.devices()[0].platform}"}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(steps):
            state, loss = step(state, jnp.int32(count))
            count += 1
        # reading the last loss waits for all before it
        last = float(loss)
        ms = (time.perf_counter() - start) * 1000 / steps
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": [ms] * steps, "last": last, "peakMiB": peak}), flush=True)
