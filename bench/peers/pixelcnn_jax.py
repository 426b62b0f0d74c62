"""Peer: the step of examples/pixelcnn.gm in JAX: masked convolutions, 7 x 7 of 32 channels and five residual blocks of 16, channels last."""

import jax
import jax.numpy as jnp

from jax_peer import conv_start, descend, image_conv, serve

BATCH, SIDE, CHANNELS, BLOCKS = 50, 28, 16, 5
key_of = iter(range(1000))


def start(*shape):
    return conv_start(jax.random.key(next(key_of)), *shape)


def conv(p, x, mask=None):
    kernel = p["w"] if mask is None else p["w"] * mask
    return image_conv(x, kernel, 1) + p["b"]


def mask(window, sees_itself):
    middle = window // 2
    before = jnp.zeros((window, window, 1, 1)).at[:middle].set(1)
    return before.at[middle, : middle + sees_itself].set(1)


def loss_of(params, x, _):
    h = conv(params["first"], x, mask(7, False))
    for a, b, c in params["blocks"]:
        own = jax.nn.relu(conv(a, jax.nn.relu(h)))
        h += conv(c, jax.nn.relu(conv(b, own, mask(3, True))))
    for p in params["last"]:
        h = conv(p, jax.nn.relu(h))
    return (jax.nn.softplus(h) - x * h).sum((1, 2, 3))


def make(data):
    wide = 2 * CHANNELS
    block = lambda: (start(wide, CHANNELS), start(CHANNELS, CHANNELS, 3), start(CHANNELS, wide))
    params = {
        "first": start(1, wide, 7),
        "blocks": [block() for _ in range(BLOCKS)],
        "last": [start(wide, wide), start(wide, 1)],
    }
    return descend(loss_of, params, data.reshape(-1, BATCH, SIDE, SIDE, 1))


serve(make)
