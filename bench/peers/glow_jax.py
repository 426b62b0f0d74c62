"""Peer: Glow over 32 x 32 RGB in JAX, channels last: two levels of four steps, conditioners of 128 channels, 1 x 1 convolutions in LU form."""

import math

import jax
import jax.numpy as jnp

from jax_peer import conv_start, descend, image_conv, serve

BATCH, HIDDEN, STEPS = 16, 128, 4


def squeeze(x):
    rows, side, _, channels = x.shape
    halves = x.reshape(rows, side // 2, 2, side // 2, 2, channels)
    return halves.transpose(0, 1, 3, 2, 4, 5).reshape(rows, side // 2, side // 2, 4 * channels)


def step_start(key, channels):
    """Weights of a step, and what of its 1 x 1 convolution stays: the permutation and the signs of the diagonal."""
    keys = jax.random.split(key, 4)
    rotation = jnp.linalg.qr(jax.random.normal(keys[0], (channels, channels)))[0]
    p, lower, upper = jax.scipy.linalg.lu(rotation)
    diagonal = jnp.diagonal(upper)
    last = conv_start(keys[3], HIDDEN, channels)
    weights = {
        "shift": jnp.zeros(channels),
        "log_scale": jnp.zeros(channels),
        "lower": lower,
        "upper": upper,
        "log_s": jnp.log(jnp.abs(diagonal)),
        "net": [conv_start(keys[1], channels // 2, HIDDEN, 3), conv_start(keys[2], HIDDEN, HIDDEN), jax.tree.map(jnp.zeros_like, last)],
    }
    return weights, (p, jnp.sign(diagonal))


def step(w, kept_of, x):
    """The step from data to base, and its log-determinant for each row."""
    p, sign = kept_of
    places = x.shape[1] * x.shape[2]
    channels = x.shape[3]
    x = (x - w["shift"]) * jnp.exp(-w["log_scale"])
    lower = jnp.tril(w["lower"], -1) + jnp.eye(channels)
    upper = jnp.triu(w["upper"], 1) + jnp.diag(sign * jnp.exp(w["log_s"]))
    x = x @ (p @ lower @ upper)
    kept, changed = jnp.split(x, 2, axis=-1)
    h = kept
    for i, layer in enumerate(w["net"]):
        h = image_conv(h, layer["w"], 1) + layer["b"]
        h = jax.nn.relu(h) if i < 2 else h
    shift, raw = jnp.split(h, 2, axis=-1)
    log_scale = jax.nn.log_sigmoid(raw + 2)
    x = jnp.concatenate([kept, changed * jnp.exp(log_scale) + shift], axis=-1)
    return x, places * (w["log_s"].sum() - w["log_scale"].sum()) + log_scale.sum((1, 2, 3))


def make(data):
    keys = jax.random.split(jax.random.key(0), 2 * STEPS)
    starts = [step_start(key, channels) for key, channels in zip(keys, [12] * STEPS + [24] * STEPS)]
    batches = data.reshape(-1, BATCH, 32, 32, 3)

    def loss_of(params, x, _, started=None):
        log_prob = jnp.zeros(len(x))
        for i, w in enumerate(params):
            if i % STEPS == 0:
                x = squeeze(x)
            if started is not None:
                # by the first batch each channel begins with mean 0 and deviation 1
                spread = x.std((0, 1, 2), ddof=1) + 1e-6
                w = {**w, "shift": x.mean((0, 1, 2)), "log_scale": jnp.log(spread)}
                started.append(w)
            x, log_det = step(w, starts[i][1], x)
            log_prob += log_det
            if i == STEPS - 1:
                x, done = jnp.split(x, 2, axis=-1)
                log_prob -= 0.5 * (done * done).sum((1, 2, 3))
        return 0.5 * (x * x).sum((1, 2, 3)) + 0.5 * 3072 * math.log(2 * math.pi) - log_prob

    started = []
    loss_of([weights for weights, _ in starts], batches[0], None, started)
    return descend(loss_of, started, batches)


serve(make)
