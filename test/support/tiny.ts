/** A model that trains in no time, for tests of the command line. */
export const tinyModel = `// tiny.gm
model Tiny(H = 8) {
  data x : real[2]
  latent z : real[2]
  net decoder(z) = z |> dense(H) |> tanh |> dense(2)
  net encoder(x) {
    h = x |> dense(H) |> tanh
    return (loc = h |> dense(2), scale = exp(h |> dense(2)))
  }
  density p(x, z) {
    z ~ Normal(0, 1)
    x ~ Normal(decoder(z), 0.5)
  }
  density q(z | x) {
    e = encoder(x)
    z ~ Normal(e.loc, e.scale)
  }
  train {
    maximize ELBO(p, q)
    optimizer = adam(lr = 1e-2), batch = 20, epochs = 4
  }
  evaluate { nll = -IWAE(p, q, k = 20) }
}
`;
