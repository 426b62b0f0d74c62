"""The twins of dcgan.gm and mmd.gm, trained for so many steps; their samples go to a file of float32 numbers, which gmc judges beside its own.

Arguments: dcgan or mmd, steps, seed, threads, a file of float32 pixels, rows to draw, the file to write. Two more may follow: a file of the
weights to begin with, all leaves of the gmc model one after another as it keeps them; and a file of noise, a row for each row of the pixels: then
batches are taken as they lie, both players of a step are given the same noise, and what is written are the weights afterwards, as they were read.

Where a stride of 2 leaves one row of zeros more on one side, PyTorch puts it before the picture and gmc after it: `dcgan` sees pictures turned by
half a turn, through kernels turned alike, and is then the same model.
"""

import copy
import sys

import numpy as np
import torch
from torch import nn

from games_torch import Game, image_nets, initialised

name, steps, seed, threads, source, rows, target, *shared = sys.argv[1:]
torch.manual_seed(int(seed))
torch.set_num_threads(int(threads))


def floats(path):
    return torch.from_numpy(np.fromfile(path, dtype="<f4"))


pictures = floats(source).reshape(-1, 784)
BATCH = {"dcgan": 100, "mmd": 500}[name]


def batches(width, noise):
    """Steps' pictures, and the noise of each call within a step."""
    if len(shared) > 1:
        for x, z in zip(pictures.split(BATCH), floats(shared[1]).reshape(-1, width).split(BATCH)):
            yield x, lambda z=z: z
    while True:
        for rows_of in torch.randperm(len(pictures))[: len(pictures) // BATCH * BATCH].reshape(-1, BATCH):
            yield pictures[rows_of], lambda: noise(BATCH)


class Leaf:
    """A weight of gmc: where the twin keeps it, its shape in gmc, and the axes of that in the order of the twin's, some of them turned round."""

    def __init__(self, tensor, shape, axes=None, turned=()):
        self.tensor, self.shape, self.turned = tensor, shape, turned
        self.axes = axes or list(range(len(shape)))

    def read(self, values):
        self.tensor.data.copy_(values.reshape(self.shape).flip(self.turned).permute(self.axes).reshape(self.tensor.shape))

    def value(self):
        ordered = self.tensor.data.reshape([self.shape[axis] for axis in self.axes])
        return ordered.permute([self.axes.index(axis) for axis in range(len(self.axes))]).flip(self.turned).flatten()


def begin(leaves):
    if not shared:
        return
    sizes = [leaf.tensor.numel() for leaf in leaves]
    for leaf, values in zip(leaves, floats(shared[0]).split(sizes)):
        leaf.read(values)


def window(layer):
    """A kernel of windows: [h, w, in, out] of gmc."""
    outwards, inwards, height, width = layer.weight.shape
    return Leaf(layer.weight, (height, width, inwards, outwards), [3, 2, 0, 1], (0, 1))


def vectors(*tensors):
    return [Leaf(tensor, tuple(tensor.shape)) for tensor in tensors]


def statistics(norm):
    return vectors(norm.weight, norm.bias, norm.running_mean, norm.running_var)


def dcgan():
    noise = lambda count: torch.randn(count, 64)
    game = Game(*image_nets(32, 64, normalised=True), 64, {"lr": 2e-4, "betas": (0.5, 0.999)})
    g, c = game.generator, game.critic
    leaves = [
        Leaf(g[0].weight, (64, 7, 7, 64), [3, 1, 2, 0], (1, 2)),
        *statistics(g[2]),
        window(g[4]),
        *statistics(g[5]),
        window(g[7]),
        *vectors(g[7].bias),
        window(c[0]),
        *vectors(c[0].bias),
        window(c[2]),
        *statistics(c[3]),
        Leaf(c[6].weight, (7, 7, 64), [2, 0, 1], (0, 1)),
        *vectors(c[6].bias),
    ]
    begin(leaves)
    averaged = copy.deepcopy(g)
    for (x, drawn), done in zip(batches(64, noise), range(int(steps))):
        game.sample = lambda _: g(drawn())
        game.critic_step(game.minimax, x.flip(1).reshape(-1, 1, 28, 28))
        game.generator_step(game.non_saturating, len(x))
        with torch.no_grad():
            for mean, now in zip(averaged.parameters(), g.parameters()):
                # early averages are of what was trained, as in gmc
                mean.lerp_(now, 1 - min(0.99, (1 + done) / (10 + done)))
            for mean, now in zip(averaged.buffers(), g.buffers()):
                mean.copy_(now)
    averaged.eval()
    return lambda count: averaged(noise(count)).reshape(count, 784).flip(1), leaves


def mmd():
    noise = lambda count: 2 * torch.rand(count, 10) - 1
    widths = [10, 64, 256, 256, 1024, 784]
    layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
    generator = initialised(nn.Sequential(*layers[:-1], nn.Sigmoid()))
    leaves = [
        leaf
        for layer in generator
        if isinstance(layer, nn.Linear)
        for leaf in (Leaf(layer.weight, (layer.in_features, layer.out_features), [1, 0]), *vectors(layer.bias))
    ]
    begin(leaves)
    optimiser = torch.optim.Adam(generator.parameters(), lr=1e-3)

    def kernel(a, b):
        squared = (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp_min(0)
        return sum(torch.exp(-squared / (2 * s)) for s in (2, 5, 10, 20, 40, 80)).mean()

    for (x, drawn), _ in zip(batches(10, noise), range(int(steps))):
        fake = generator(drawn())
        optimiser.zero_grad(set_to_none=True)
        (kernel(x, x) + kernel(fake, fake) - 2 * kernel(x, fake)).backward()
        optimiser.step()
    return lambda count: generator(noise(count)), leaves


draw, leaves = {"dcgan": dcgan, "mmd": mmd}[name]()
with torch.no_grad():
    written = torch.cat([leaf.value() for leaf in leaves]) if len(shared) > 1 else draw(int(rows)).reshape(int(rows), 784).contiguous()
with open(target, "wb") as file:
    file.write(written.numpy().astype("<f4").tobytes())
