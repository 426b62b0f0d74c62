"""Peer: a Wasserstein GAN of images with a gradient penalty in eager PyTorch: five steps of the critic, one of the generator."""

from games_torch import Game, image_nets
from torch_peer import serve_steps

BATCH, CHANNELS, NOISE, CRITIC_STEPS = 50, 32, 64, 5


def make(data):
    game = Game(*image_nets(CHANNELS, NOISE, normalised=False), NOISE, {"lr": 1e-4, "betas": (0.0, 0.9)})
    batches = data.reshape(-1, BATCH, 1, 28, 28)

    def step(count):
        for i in range(CRITIC_STEPS):
            loss = game.critic_step(game.wasserstein_penalised, batches[(CRITIC_STEPS * count + i) % len(batches)])
        game.generator_step(lambda fake: -game.critic(fake).mean(), BATCH)
        return loss.item()

    return step


serve_steps(make)
