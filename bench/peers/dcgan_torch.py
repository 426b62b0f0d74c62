"""Peer: the two steps of dcgan.gm in eager PyTorch."""

from games_torch import Game, image_nets, two_players
from torch_peer import serve_steps

BATCH, CHANNELS, NOISE = 100, 32, 64


def make(data):
    game = Game(*image_nets(CHANNELS, NOISE, normalised=True), NOISE, {"lr": 2e-4, "betas": (0.5, 0.999)})
    return two_players(game, data.reshape(-1, BATCH, 1, 28, 28))


serve_steps(make)
