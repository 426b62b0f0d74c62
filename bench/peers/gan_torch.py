"""Peer: a GAN of two hidden layers on either side in eager PyTorch."""

from torch import nn

from games_torch import Game, initialised, two_players
from torch_peer import serve_steps

BATCH, PIXELS, HIDDEN, NOISE = 100, 784, 256, 64


def make(data):
    generator = nn.Sequential(
        nn.Linear(NOISE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS), nn.Sigmoid()
    )
    critic = nn.Sequential(
        nn.Linear(PIXELS, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, 1), nn.Flatten(0)
    )
    game = Game(initialised(generator), initialised(critic), NOISE, {"lr": 2e-4, "betas": (0.5, 0.999)})
    return two_players(game, data.reshape(-1, BATCH, PIXELS))


serve_steps(make)
