"""Peer: the two steps of dcgan.gm in JAX, channels last; batch normalisation by the statistics of the batch, whose running means are kept."""

import jax
import jax.numpy as jnp

from jax_peer import adam, adam_start, conv_start, glorot, image_conv, serve

BATCH, CHANNELS, NOISE, RATE, BETA1 = 100, 32, 64, 2e-4, 0.5
WIDE = 2 * CHANNELS


def norm_start(channels):
    return {"scale": jnp.ones(channels), "shift": jnp.zeros(channels)}


def batch_norm(p, x, seen):
    """The normalised batch; its mean and variance are added to `seen`."""
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    seen.append((mean, variance * (x.size / mean.size) / (x.size / mean.size - 1)))
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * p["scale"] + p["shift"]


def up(kernel, x):
    return jax.lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def generate(g, z, seen):
    h = (z @ g["dense"]["w"]).reshape(-1, 7, 7, WIDE)
    h = jax.nn.relu(batch_norm(g["norm1"], h, seen))
    h = jax.nn.relu(batch_norm(g["norm2"], up(g["up1"]["w"], h), seen))
    return jax.nn.sigmoid(up(g["up2"]["w"], h) + g["up2"]["b"])


def criticise(d, x, seen):
    leaky = lambda h: jax.nn.leaky_relu(h, 0.2)
    h = leaky(image_conv(x, d["conv1"]["w"], 2) + d["conv1"]["b"])
    h = leaky(batch_norm(d["norm"], image_conv(h, d["conv2"]["w"], 2), seen))
    return (h.reshape(len(x), -1) @ d["dense"]["w"] + d["dense"]["b"])[:, 0]


def averaged(running, seen):
    return jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, running, seen)


def make(data):
    batches = data.reshape(-1, BATCH, 28, 28, 1)

    # Goodfellow et al. 2014, eq. 1, and the generator's own objective
    def step(state, count):
        g, of_g, d, of_d, running = state
        keys = jax.random.split(jax.random.fold_in(jax.random.key(7), count))
        x = batches[count % len(batches)]

        def minimax(d):
            by_g, by_d = [], []
            fake = jax.lax.stop_gradient(generate(g, jax.random.normal(keys[0], (BATCH, NOISE)), by_g))
            real, made = criticise(d, x, by_d), criticise(d, fake, by_d)
            return -(jax.nn.log_sigmoid(real) + jax.nn.log_sigmoid(-made)).mean(), (by_g, by_d)

        (loss, (by_g, by_d)), grads = jax.value_and_grad(minimax, has_aux=True)(d)
        d, of_d = adam(d, of_d, grads, count + 1, RATE, BETA1)

        def non_saturating(g):
            again_g, again_d = [], []
            made = criticise(d, generate(g, jax.random.normal(keys[1], (BATCH, NOISE)), again_g), again_d)
            return -jax.nn.log_sigmoid(made).mean(), (again_g, again_d)

        grads, (again_g, again_d) = jax.grad(non_saturating, has_aux=True)(g)
        g, of_g = adam(g, of_g, grads, count + 1, RATE, BETA1)
        of_all = running
        for seen in (by_g + by_d[:1], by_g + by_d[1:], again_g + again_d):
            of_all = averaged(of_all, seen)
        return (g, of_g, d, of_d, of_all), loss

    g = {
        "dense": glorot(jax.random.key(1), NOISE, 49 * WIDE),
        "norm1": norm_start(WIDE),
        "up1": conv_start(jax.random.key(2), WIDE, CHANNELS, 5),
        "norm2": norm_start(CHANNELS),
        "up2": conv_start(jax.random.key(3), CHANNELS, 1, 5),
    }
    d = {
        "conv1": conv_start(jax.random.key(4), 1, CHANNELS, 5),
        "conv2": conv_start(jax.random.key(5), CHANNELS, WIDE, 5),
        "norm": norm_start(WIDE),
        "dense": glorot(jax.random.key(6), 49 * WIDE, 1),
    }
    running = [(jnp.zeros(c), jnp.ones(c)) for c in (WIDE, CHANNELS, WIDE)]
    return (g, adam_start(g), d, adam_start(d), running), step


serve(make)
