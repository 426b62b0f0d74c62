"""What the PyTorch twins of games share: the nets of each game, channels first, and its step. The twins serve them, and `quality` trains them.

Weights start by Glorot's rule and biases from 0, as in gmc; batch normalisation averages its statistics alike.
"""

import torch
import torch.nn.functional as F
from torch import nn


def initialised(net):
    for layer in net.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def image_nets(channels, noise, normalised):
    """Generator and critic of dcgan.gm; with `normalised`, batch normalisation on either side."""
    bias = not normalised
    norm = (lambda layer: [layer]) if normalised else (lambda _: [])
    generator = nn.Sequential(
        nn.Linear(noise, 49 * 2 * channels, bias=bias),
        nn.Unflatten(1, (2 * channels, 7, 7)),
        *norm(nn.BatchNorm2d(2 * channels)),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * channels, channels, 5, stride=2, padding=2, output_padding=1, bias=bias),
        *norm(nn.BatchNorm2d(channels)),
        nn.ReLU(),
        nn.ConvTranspose2d(channels, 1, 5, stride=2, padding=2, output_padding=1),
        nn.Sigmoid(),
    )
    critic = nn.Sequential(
        nn.Conv2d(1, channels, 5, stride=2, padding=2),
        nn.LeakyReLU(0.2),
        nn.Conv2d(channels, 2 * channels, 5, stride=2, padding=2, bias=bias),
        *norm(nn.BatchNorm2d(2 * channels)),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(49 * 2 * channels, 1),
        nn.Flatten(0),
    )
    return initialised(generator), initialised(critic)


class Game:
    """Two players, their optimisers, and the step of one of them at a time."""

    def __init__(self, generator, critic, noise, adam):
        self.generator, self.critic, self.noise = generator, critic, noise
        self.of_generator = torch.optim.Adam(generator.parameters(), **adam)
        self.of_critic = torch.optim.Adam(critic.parameters(), **adam)

    def sample(self, rows):
        return self.generator(torch.randn(rows, self.noise))

    def _descend(self, loss, optimiser):
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    def critic_step(self, loss_of, x):
        with torch.no_grad():
            fake = self.sample(len(x))
        loss = loss_of(x, fake)
        self._descend(loss, self.of_critic)
        return loss

    def generator_step(self, loss_of, rows):
        self.critic.requires_grad_(False)
        self._descend(loss_of(self.sample(rows)), self.of_generator)
        self.critic.requires_grad_(True)

    # Goodfellow et al. 2014, eq. 1, and the generator's own objective
    def minimax(self, x, fake):
        return -(F.logsigmoid(self.critic(x)) + F.logsigmoid(-self.critic(fake))).mean()

    def non_saturating(self, fake):
        return -F.logsigmoid(self.critic(fake)).mean()

    # Gulrajani et al. 2017, eq. 3
    def wasserstein_penalised(self, x, fake, weight=10.0):
        u = torch.rand(len(x), *([1] * (x.dim() - 1)))
        between = (u * x + (1 - u) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return -(self.critic(x) - self.critic(fake)).mean() + weight * penalty


def two_players(game, batches):
    """A step of a game whose players move once each."""

    def step(count):
        x = batches[count % len(batches)]
        loss = game.critic_step(game.minimax, x)
        game.generator_step(game.non_saturating, len(x))
        return loss.detach()

    return step
