/** Models to begin with, small enough for a page. The data that each is meant for are named beside it. */
export interface Beginning {
  readonly name: string;
  readonly data: string;
  readonly steps: number;
  readonly text: string;
}

export const beginnings: readonly Beginning[] = [
  {
    name: "Mixture of Gaussians",
    data: "pinwheel",
    steps: 1500,
    text: `/// Ten Gaussians in the plane; which of them a point is of is summed out exactly.
model Mixture(K = 10) {
  data x : real[2]
  latent c : category[K]
  param w : real[K] = 0
  param mu : real[K, 2] init data
  param s : positive[K, 2] = 1

  density p(x, c) {
    c ~ Categorical(logits = w)
    x ~ Normal(mu[c], s[c])
  }

  train {
    maximize log p(x)
    constrain s in [0.1, 10]
    optimizer = adam(lr = 2e-2), batch = 100, epochs = 20
  }
}
`,
  },
  {
    name: "Variational autoencoder",
    data: "stripes",
    steps: 1500,
    text: `/// Pictures of stripes from two numbers each.
model VAE(D = 25, H = 32, Z = 4) {
  data x : binary[D]
  latent z : real[Z]

  net decoder(z) = z |> dense(H) |> relu |> dense(D)
  net encoder(x) {
    h = x |> dense(H) |> relu
    return (loc = h |> dense(Z), scale = h |> dense(Z) |> softplus)
  }

  density p(x, z) {
    z ~ Normal(0, 1)
    x ~ Bernoulli(logits = decoder(z))
  }
  density q(z | x) {
    e = encoder(x)
    z ~ Normal(e.loc, e.scale)
  }

  train {
    maximize ELBO(p, q)
    optimizer = adam(lr = 3e-3), batch = 64, epochs = 20
  }
}
`,
  },
  {
    name: "Flow of affine couplings",
    data: "rings",
    steps: 1500,
    text: `/// Points in the plane as noise pushed through six couplings: log p(x) by the change of variables.
model Flow(H = 32, K = 6) {
  data x : real[2]
  latent z : real[2]

  flow f on real[2] = repeat(K) { coupling(mlp([H, H])) |> reverse }

  density p(x, z) {
    z ~ Normal(0, 1)
    x = f(z)
  }

  train {
    maximize log p(x)
    optimizer = adam(lr = 2e-3), batch = 128, epochs = 20
  }
}
`,
  },
  {
    name: "Restricted Boltzmann machine",
    data: "stripes",
    steps: 2000,
    text: `/// Everything is derived from the energy: conditionals, chains, the gradient.
model RBM(D = 16, H = 24) {
  data v : binary[D]
  latent h : binary[H]
  param W : real[D, H] init Normal(0, 0.05)
  param a : real[H] = 0
  param b : real[D] = 0

  density p(v, h) {
    energy -(v @ W @ h) - a @ h - b @ v
  }

  train {
    maximize log p(v) by pcd(k = 5, chains = 64)
    optimizer = sgd(lr = 0.1), batch = 64, epochs = 20
  }
}
`,
  },
  {
    name: "Generative adversarial net",
    data: "eight_gaussians",
    steps: 3000,
    text: `/// Two players of one objective.
model GAN(H = 64, Z = 2) {
  data x : real[2]
  latent z : real[Z]

  net G(z) = z |> dense(H) |> relu |> dense(H) |> relu |> dense(2)
  net critic(x) = x |> dense(H) |> leaky_relu |> dense(H) |> leaky_relu |> dense(1) |> sum

  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }

  objective V = E[x ~ data](log(sigmoid(critic(x)))) + E[x ~ p(x)](log(1 - sigmoid(critic(x))))

  train {
    maximize V over critic
    minimize V over G
    optimizer = adam(lr = 5e-4, beta1 = 0.5), batch = 100, epochs = 20
  }
}
`,
  },
];
