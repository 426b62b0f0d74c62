"""The twins of dcgan.gm and mmd.gm, trained for so many steps; their samples go to a file of float32 numbers, which gmc judges beside its own.

Arguments: dcgan or mmd, steps, seed, threads, a file of float32 pixels, rows to draw, the file to write.
"""

import copy
import sys

import torch
from torch import nn

from games_torch import Game, image_nets, initialised

name, steps, seed, threads, source, rows, target = sys.argv[1:]
torch.manual_seed(int(seed))
torch.set_num_threads(int(threads))
with open(source, "rb") as file:
    pictures = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(-1, 784)


def batches(size):
    while True:
        for rows_of in torch.randperm(len(pictures))[: len(pictures) // size * size].reshape(-1, size):
            yield pictures[rows_of]


def dcgan():
    game = Game(*image_nets(32, 64, normalised=True), 64, {"lr": 2e-4, "betas": (0.5, 0.999)})
    averaged = copy.deepcopy(game.generator)
    for x, _ in zip(batches(100), range(int(steps))):
        game.critic_step(game.minimax, x.reshape(-1, 1, 28, 28))
        game.generator_step(game.non_saturating, len(x))
        with torch.no_grad():
            for mean, now in zip(averaged.parameters(), game.generator.parameters()):
                mean.lerp_(now, 0.01)
            for mean, now in zip(averaged.buffers(), game.generator.buffers()):
                mean.copy_(now)
    averaged.eval()
    return lambda count: averaged(torch.randn(count, 64))


def mmd():
    widths = [10, 64, 256, 256, 1024, 784]
    layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
    generator = initialised(nn.Sequential(*layers[:-1], nn.Sigmoid()))
    optimiser = torch.optim.Adam(generator.parameters(), lr=1e-3)

    def kernel(a, b):
        squared = (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp_min(0)
        return sum(torch.exp(-squared / (2 * s)) for s in (2, 5, 10, 20, 40, 80)).mean()

    for x, _ in zip(batches(500), range(int(steps))):
        fake = generator(2 * torch.rand(500, 10) - 1)
        optimiser.zero_grad(set_to_none=True)
        (kernel(x, x) + kernel(fake, fake) - 2 * kernel(x, fake)).backward()
        optimiser.step()
    return lambda count: generator(2 * torch.rand(count, 10) - 1)


draw = {"dcgan": dcgan, "mmd": mmd}[name]()
with torch.no_grad():
    samples = draw(int(rows)).reshape(int(rows), 784).contiguous()
with open(target, "wb") as file:
    file.write(samples.numpy().astype("<f4").tobytes())
