"""Peer: WaveNet over windows of 1,024 mu-law codes in JAX: ten gated causal convolutions, dilations 1 to 512, skip connections."""

import jax
import jax.numpy as jnp

from jax_peer import descend, serve

BATCH, LENGTH, CODES, CHANNELS, SKIP, LAYERS = 4, 1024, 256, 32, 64, 10


def start_of(seed, before, after, window=1):
    """Kernel [window, before, after] within 1 / sqrt(window * before), as PyTorch starts a convolution; bias 0."""
    bound = (window * before) ** -0.5
    kernel = jax.random.uniform(jax.random.key(seed), (window, before, after), minval=-bound, maxval=bound)
    return {"w": kernel, "b": jnp.zeros(after)}


def conv(p, x, dilation=1):
    """Causal: what it sees ends where its result stands."""
    left = (p["w"].shape[0] - 1) * dilation
    y = jax.lax.conv_general_dilated(x, p["w"], (1,), [(left, 0)], rhs_dilation=(dilation,), dimension_numbers=("NWC", "WIO", "NWC"))
    return y + p["b"]


def layer_start(i):
    sizes = {"filter": (CHANNELS, CHANNELS, 2), "gate": (CHANNELS, CHANNELS, 2), "residual": (CHANNELS, CHANNELS), "skip": (CHANNELS, SKIP)}
    return {name: start_of(10 * i + j, *size) for j, (name, size) in enumerate(sizes.items())}


def loss_of(params, codes, _):
    x = jax.nn.one_hot(codes, CODES)
    # the first convolution sees what comes before a position alone
    h = conv(params["first"], jnp.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1])
    total = 0
    for i, p in enumerate(params["layers"]):
        g = jnp.tanh(conv(p["filter"], h, 2**i)) * jax.nn.sigmoid(conv(p["gate"], h, 2**i))
        h = h + conv(p["residual"], g)
        total = total + conv(p["skip"], g)
    logits = conv(params["last"][1], jax.nn.relu(conv(params["last"][0], jax.nn.relu(total))))
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), codes[..., None], -1).sum((1, 2))


start = {
    "first": start_of(1000, CODES, CHANNELS, 2),
    "layers": [layer_start(i) for i in range(LAYERS)],
    "last": [start_of(1001, SKIP, SKIP), start_of(1002, SKIP, CODES)],
}
serve(lambda data: descend(loss_of, start, data.astype(jnp.int32).reshape(-1, BATCH, LENGTH)))
