/** Models of any length, for `bench/compile.mjs`: as a person would write one, and chains that show what grows faster than the model. */

/** A ladder of latents, every level with nets of its own, commented: about 25 lines a level. */
export function longModel(lines) {
  for (let levels = 2; ; levels++) {
    const text = ladder(levels);
    if (text.split("\n").length >= lines) return text;
  }
}

function ladder(levels) {
  const each = (make) => Array.from({ length: levels }, (_, i) => make(i + 1)).join("\n");
  const names = Array.from({ length: levels }, (_, i) => `z${i + 1}`).join(", ");
  return `/// A ladder of ${levels} latents over pictures of digits.
/// After Sonderby et al. 2016, "Ladder Variational Autoencoders".
model Ladder(D = 784, H = 64, Z = 8) {
  data x : binary[D]

${each((l) => `  /// Level ${l}, counted from the data.\n  latent z${l} : real[Z]`)}

  net first(x) = x |> dense(H) |> relu
${each(
  (l) => `
  /// What level ${l} sees of the data: a gated step beside what it was handed.
  net up${l}(h) {
    a = h |> dense(H) |> tanh
    g = sigmoid(h |> dense(H))
    return h + g * a
  }

  /// Level ${l} given the data.
  net see${l}(h) {
    s = h |> dense(H) |> relu
    return (loc = s |> dense(Z), scale = exp(clip(s |> dense(Z), -5, 5)))
  }
${
  l === levels
    ? ""
    : `
  /// Level ${l} given the one above.
  net down${l}(z) {
    s = z |> dense(H) |> relu
    return (loc = s |> dense(Z), scale = exp(clip(s |> dense(Z), -5, 5)))
  }
`
}`,
)}
  net picture(z) = z |> dense(H) |> relu |> dense(D)

  density p(x, ${names}) {
    z${levels} ~ Normal(0, 1)
${Array.from({ length: levels - 1 }, (_, i) => levels - 1 - i)
  .map((l) => `    e${l} = down${l}(z${l + 1})\n    z${l} ~ Normal(e${l}.loc, e${l}.scale)`)
  .join("\n")}
    x ~ Bernoulli(logits = picture(z1))
  }

  density q(${names} | x) {
    h0 = first(x)
${each((l) => `    h${l} = up${l}(h${l - 1})\n    s${l} = see${l}(h${l})\n    z${l} ~ Normal(s${l}.loc, s${l}.scale)`)}
  }

  train {
    maximize ELBO(p, q)
    optimizer = adam(lr = 1e-3), batch = 100, epochs = 10
  }

  evaluate {
    nll = -IWAE(p, q, k = 100)
  }
}
`;
}

/** One statement a line and nothing else: `lines` lines, half of them nets, half of them a chain of calls. */
export function denseModel(lines) {
  const n = Math.floor((lines - 18) / 2);
  const each = (make) => Array.from({ length: n }, (_, i) => make(i + 1)).join("\n");
  return around(
    each((i) => `  net n${i}(z) = z |> dense(20) |> tanh |> dense(20)`),
    `    h0 = z\n${each((i) => `    h${i} = n${i}(h${i - 1})`)}\n    x ~ Normal(h${n}, 1)`,
  );
}

/** What may grow in a model, by how many there are of it. */
export const chains = {
  "bindings of a density": (n) =>
    around("", `    h0 = z\n${rows(n, (i) => `    h${i} = h${i - 1} + tanh(h${i - 1})`)}\n    x ~ Normal(h${n}, 1)`),
  "bindings of a net": (n) =>
    around(
      `  net f(z) {\n    h0 = z\n${rows(n, (i) => `    h${i} = h${i - 1} + tanh(h${i - 1})`)}\n    return h${n}\n  }`,
      "    x ~ Normal(f(z), 1)",
    ),
  "turns of a `for`": (n) =>
    around(
      `  net f(z) {\n    h[0] = z\n    for l in 1..${n} {\n      t = h[l-1] |> dense(20)\n      h[l] = tanh(t)\n    }\n    return h[${n}]\n  }`,
      "    x ~ Normal(f(z), 1)",
    ),
  "nets, called": (n) =>
    around(
      rows(n, (i) => `  net n${i}(z) = z |> dense(20) |> tanh`),
      `    h0 = z\n${rows(n, (i) => `    h${i} = n${i}(h${i - 1})`)}\n    x ~ Normal(h${n}, 1)`,
    ),
  parameters: (n) =>
    around(
      rows(n, (i) => `  param a${i} : real[20]`),
      `    h0 = z\n${rows(n, (i) => `    h${i} = h${i - 1} + a${i}`)}\n    x ~ Normal(h${n}, 1)`,
    ),
  densities: (n) =>
    around(
      rows(n, (i) => `  density d${i}(x | z) { x ~ Normal(z |> dense(20), 1) }`),
      "    x ~ Normal(z, 1)",
    ),
  latents: (n) => `model M {
  data x : real[20]
  latent z[l in 1..${n}] : real[20]
  density p(x, z) {
    z[1] ~ Normal(0, 1)
    for l in 2..${n} { z[l] ~ Normal(z[l-1] |> dense(20), 1) }
    x ~ Normal(z[${n}], 1)
  }
  density q(z | x) {
    z[1] ~ Normal(x |> dense(20), 1)
    for l in 2..${n} { z[l] ~ Normal(z[l-1] |> dense(20), 1) }
  }
  train { maximize ELBO(p, q) }
}
`,
  "data variables": (n) => `model M {
${rows(n, (i) => `  data x${i} : real[20]`)}
  latent z : real[20]
  density p(z, ${rows(n, (i) => `x${i}`, ", ")}) {
    z ~ Normal(0, 1)
${rows(n, (i) => `    x${i} ~ Normal(z |> dense(20), 1)`)}
  }
  density q(z | x1) { z ~ Normal(x1 |> dense(20), 1) }
  train { maximize ELBO(p, q) }
}
`,
  "an exact marginal": (n) =>
    around("", `    h0 = z |> dense(20)\n${rows(n, (i) => `    h${i} = h${i - 1} + h${i - 1}`)}\n    x ~ Normal(h${n}, 1)`, "log p(x)"),
};

function rows(n, make, between = "\n") {
  return Array.from({ length: n }, (_, i) => make(i + 1)).join(between);
}

function around(nets, body, objective = "ELBO(p, q)") {
  return `model M(D = 20, Z = 20) {
  data x : real[D]
  latent z : real[Z]
${nets}
  net encoder(x) {
    h = x |> dense(20) |> tanh
    return (loc = h |> dense(Z), scale = exp(h |> dense(Z)))
  }
  density p(x, z) {
    z ~ Normal(0, 1)
${body}
  }
  density q(z | x) {
    e = encoder(x)
    z ~ Normal(e.loc, e.scale)
  }
  train { maximize ${objective} }
}
`;
}
