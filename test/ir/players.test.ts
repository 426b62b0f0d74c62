/** What is found of the players of a game: the signs that are derived, against gradients; models that are right and get no word, and ones that are not. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";

const codesOf = (text: string): readonly string[] => compile({ path: "model.gm", text }).diagnostics.map((d) => d.code);

const game = (train: string, more = ""): string => `
model Game(D = 2, H = 4) {
  data x : real[D]
  latent z : real[D]
  param b : real = 0.3
  net G(z) = z |> dense(H) |> tanh |> dense(D)
  net critic(x) = b + (x |> dense(H) |> tanh |> dense(1) |> sum)
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  ${more}
  ${train.includes("own(") ? "net own(v) = log(2) - softplus(-v)" : ""}
  train { ${train}  batch = 8 }
}`;

describe("the way in which a critic is moved", () => {
  const losses = [
    "log(sigmoid(critic(x)))",
    "log(1 - sigmoid(critic(x)))",
    "-softplus(critic(x))",
    "relu(1 + critic(x))",
    "minimum(0, -1 - critic(x))",
    "-exp(-critic(x)) / 2",
    "1 - exp(critic(x) - 1)",
    "own(critic(x))",
    "-log(2 - exp(own(critic(x))))",
    "0.5 * tanh(-3 * critic(x))",
    "sqrt(1 + exp(critic(x)))",
    "-leaky_relu(batch_mean(critic(x)), 0.2)",
    "exp(critic(x))^2",
    "-2 * critic(x)",
    "stop(critic(x)) - critic(x)",
  ];
  it.each(losses)("%s is the sign of the gradient in the critic's offset", async (loss) => {
    const { model } = loadModel(game(`maximize E[x ~ p(x)](${loss}) over critic, b`));
    const { gradients } = await gradientsOf(model, {
      weights: {
        b: [0.3],
        ...Object.fromEntries(
          ["critic", "G"].flatMap((net) => [
            [`${net}.dense1.kernel`, [0.5, -0.25, 0.75, 0.5, -0.5, 0.25, 1, 0.5]],
            [`${net}.dense1.bias`, [0, 0.25, -0.25, 0]],
            [`${net}.dense2.kernel`, net === "G" ? [0.5, 0.25, -0.5, 1, 0.75, -0.25, 0.5, 0.5] : [0.5, -0.25, 0.25, 0.5]],
            [`${net}.dense2.bias`, net === "G" ? [0, 0] : [0]],
          ]),
        ),
      },
      data: { x: Array.from({ length: 16 }, (_, i) => Math.sin(i)) },
      rows: 8,
    });
    const slope = gradients["b"]?.mean[0] ?? NaN;
    expect(Math.abs(slope)).toBeGreaterThan(1e-4);
    const found = (direction: string): boolean =>
      codesOf(game(`maximize E[x ~ p(x)](${loss}) over critic, b   ${direction} E[xf ~ p(x)](critic(xf)) over G`)).includes("GM3744");
    expect([found("maximize"), found("minimize")]).toEqual(slope > 0 ? [true, false] : [false, true]);
  });

  it.each(["(critic(x) - 1)^2", "sin(critic(x))", "critic(x) * sum(x)", "gelu(critic(x))", "relu(critic(x) - batch_mean(critic(x)) / 2)"])(
    "%s: nothing is said",
    (loss) => {
      for (const direction of ["maximize", "minimize"])
        expect(codesOf(game(`maximize E[x ~ p(x)](${loss}) over critic, b   ${direction} E[xf ~ p(x)](critic(xf)) over G`))).toEqual([]);
    },
  );
});

describe("games that are right get no word", () => {
  const silent: Readonly<Record<string, string>> = {
    "a BiGAN whose encoder is a net, each in a statement of its own": `
model BiGAN(D = 2, H = 4) {
  data x : real[D]
  latent z : real[D]
  net Enc(x) = x |> dense(D)
  net G(z) = z |> dense(D)
  net J(x, z) = concat(x, z) |> dense(H) |> relu |> dense(1) |> sum
  density p(x, z) { z ~ Normal(0, 1)  x = G(z) }
  objective V = E[x ~ data](log(sigmoid(J(x, Enc(x))))) + E[x, z ~ p(x, z)](log(1 - sigmoid(J(x, z))))
  train { maximize V over J   minimize V over G   minimize V over Enc   batch = 4 }
}`,
    "latents that an encoder and the generator find again": game(
      "maximize GAN(p, critic) over critic, b   minimize GAN(p, critic) + R over G   minimize R over Enc",
      `net Enc(x) = x |> dense(D)
       objective R = E[x, z ~ p(x, z)](sum((Enc(x) - z)^2))`,
    ),
    "an AC-GAN in four statements": `
model ACGAN(D = 2, K = 3) {
  data x : real[D], y : category[K]
  latent z : real[D]
  net G(z, y) = concat(z, onehot(y)) |> dense(D)
  net critic(x) = x |> dense(1) |> sum
  net classify(x) = x |> dense(K) |> log_softmax
  density p(x, z | y) { z ~ Normal(0, 1)  x = G(z, y) }
  objective C = E[x, y ~ data](classify(x)[y]) + E[y ~ data, xf ~ p(x | y)](classify(xf)[y])
  objective S = E[x ~ data](log(sigmoid(critic(x)))) + E[y ~ data, xf ~ p(x | y)](log(1 - sigmoid(critic(xf))))
  train { maximize S over critic   maximize C over classify   minimize S over G   maximize C over G   batch = 4 }
}`,
    "a bound of Pearson's divergence, which its square holds": game(
      "maximize GanPearson(p, critic) over critic, b   minimize GanPearson(p, critic) over G",
    ),
    "a penalty in a statement of its own": game(
      "maximize WGAN(p, critic) over critic, b   minimize 10 * GradientPenalty(p, critic) over critic   minimize WGAN(p, critic) over G",
    ),
    "a penalty with its sign inside": game(
      "maximize E[x ~ data, xf ~ p(x), u ~ Uniform(0, 1)](critic(x) - critic(xf) - 10 * (norm(grad[y = u * x + (1 - u) * xf](critic(y))) - 1)^2) over critic, b   minimize WGAN(p, critic) over G",
    ),
    "two parts of one generator": game(
      "maximize GAN(p, critic) over critic, b   maximize NonSaturating(p, critic) over G.dense1   maximize NonSaturating(p, critic) over G.dense2",
    ),
  };
  it.each(Object.entries(silent))("%s", (_name, text) => expect(codesOf(text)).toEqual([]));
});

describe("games that are wrong", () => {
  const wrong: readonly (readonly [string, string, readonly string[]])[] = [
    [
      "two sums that share a template, one weight both ways",
      game(
        "maximize WGAN(p, critic) - R1(x, critic) over critic, b   minimize 0.1 * E[xf ~ p(x)](sum(xf^2)) + WGAN(p, critic) - R1(x, critic) over G, critic",
      ),
      ["GM3514"],
    ],
    [
      "two sums that share a template, both ascended",
      game("maximize WGAN(p, critic) - R1(x, critic) over critic, b   maximize 2 * WGAN(p, critic) - 0.1 * E[xf ~ p(x)](sum(xf^2)) over G"),
      ["GM3744"],
    ],
    [
      "a penalty of weight 0",
      game("maximize WGAN(p, critic) - 0 * GradientPenalty(p, critic) over critic, b   minimize WGAN(p, critic) over G"),
      ["GM3748"],
    ],
    [
      "a penalty that is ascended",
      game("minimize -WGAN(p, critic) - GradientPenalty(p, critic) over critic, b   minimize WGAN(p, critic) over G"),
      ["GM3748"],
    ],
    [
      "a generator's statement that moves the critic",
      game("maximize Hinge(p, critic) over critic, b   maximize Fool(p, critic)"),
      ["GM3867"],
    ],
  ];
  it.each(wrong)("%s", (_name, text, codes) => expect(codesOf(text)).toEqual(codes));
});

describe("verdicts through the value of an expression", () => {
  const own = (parts: string, train: string): string => `
model M(D = 2, H = 4) {
  data x : real[D]
  latent z : real[D]
  net G(z) = z |> dense(H) |> relu |> dense(D)
  density p(x, z) { z ~ Normal(0, 1)  x = G(z) }
  ${parts}
  train { ${train}  batch = 8 }
}`;
  const error = "net E1(x) = x |> dense(H) |> relu |> dense(D)";
  const energy = `${error}
  objective V = E[x ~ data](sum((x - E1(x))^2)) - E[xf ~ p(x)](sum((xf - E1(xf))^2))`;
  const critic = "net D1(x) = x |> dense(H) |> relu |> dense(1)";
  const scalar = `${critic} |> sum`;
  const wrapped = `${scalar}
  net N(x) = -D1(x)`;
  const linear = "param w : real[D] = 0.1  objective W = E[x ~ data](sum(w * x)) - E[xf ~ p(x)](sum(w * xf))";
  const steep = (body: string): string => `net D1(x) = ${body} |> dense(1, spectral = true) |> sum`;
  const wgan = "maximize WGAN(p, D1) over D1  minimize WGAN(p, D1) over G";
  const spectral = "x |> dense(H, spectral = true)";
  const clip = "constrain E1.weights in [-0.01, 0.01]";
  const cases: readonly (readonly [string, string, string, readonly string[]])[] = [
    ["an energy, both descend", energy, "minimize V over E1  minimize V over G", ["GM3744", "GM3748"]],
    ["an energy, right, clipped", energy, `minimize V over E1  maximize V over G  ${clip}`, []],
    [
      "BEGAN, both ascend the part that has a name",
      `${error}  objective r = E[xf ~ p(x)](sum(abs(xf - E1(xf))))`,
      `minimize E[x ~ data](sum(abs(x - E1(x)))) - r over E1  maximize r over G  ${clip}`,
      ["GM3744"],
    ],
    [
      "a net that finds latents again is no critic",
      "net Enc(x) = x |> dense(D)  objective R = E[x, z ~ p(x, z)](sum((Enc(x) - z)^2))",
      "minimize R over Enc  minimize R over G",
      [],
    ],
    [
      "an autoencoder of data and of samples alike",
      `${error}  objective R = E[x ~ data](sum((x - E1(x))^2)) + E[xf ~ p(x)](sum((xf - E1(xf))^2))`,
      "minimize R over E1  minimize R over G",
      [],
    ],
    [
      "means around the expectations of a critic of one entry",
      `${critic}  objective W = mean(E[x ~ data](D1(x))) - mean(E[xf ~ p(x)](D1(xf)))`,
      "maximize W over D1  maximize W over G",
      ["GM3744", "GM3748"],
    ],
    [
      "means of the batch",
      `${scalar}  objective W = E[x ~ data, xf ~ p(x)](batch_mean(D1(x)) - batch_mean(D1(xf)))`,
      "maximize W over D1  minimize W over G",
      ["GM3748"],
    ],
    ["a product with a parameter", linear, "maximize W over w  minimize W over G", ["GM3748"]],
    ["a product with a parameter that is clipped", linear, "maximize W over w  minimize W over G  constrain w in [-1, 1]", []],
    [
      "a net around the critic",
      wrapped,
      "maximize WGAN(p, N) - 10 * GradientPenalty(p, N) over D1  maximize E[xf ~ p(x)](D1(xf)) over G",
      ["GM3744"],
    ],
    [
      "a net around the critic, right",
      wrapped,
      "maximize WGAN(p, N) - 10 * GradientPenalty(p, N) over D1  minimize E[xf ~ p(x)](D1(xf)) over G",
      [],
    ],
    [
      "a penalty that is stopped",
      scalar,
      "maximize WGAN(p, D1) - 10 * stop(GradientPenalty(p, D1)) over D1  minimize WGAN(p, D1) over G",
      ["GM3748"],
    ],
    ["normalised layers", steep(`${spectral} |> leaky_relu(0.2)`), wgan, []],
    ["normalised layers around a square", steep(`(${spectral})^2`), wgan, ["GM3748"]],
    ["normalised layers around the square of what is bounded", steep(`tanh(${spectral})^2`), wgan, []],
    ["normalised layers around a root of squares", steep(`sqrt(1 + (${spectral})^2)`), wgan, []],
    ["normalised layers around a product", steep(`((${spectral}) * (${spectral}))`), wgan, ["GM3748"]],
    [
      "normalised layers times a parameter",
      `param s : real = 1  ${steep(`${spectral} |> relu`)}
  objective W = E[x ~ data](s * D1(x)) - E[xf ~ p(x)](s * D1(xf))`,
      "maximize W over D1, s  minimize W over G",
      ["GM3748"],
    ],
  ];
  it.each(cases)("%s", (_name, parts, train, codes) => expect([...codesOf(own(parts, train))].sort()).toEqual(codes));

  const features = `net F(x) = x |> dense(H) |> relu
  net L(h) = h |> dense(1) |> sum`;
  const around = `${features}
  net critic(x) = L(F(x))`;
  const gan = `${features}
  objective V = E[x ~ data](log_sigmoid(L(F(x)))) + E[xf ~ p(x)](log_sigmoid(-L(F(xf))))`;
  const distance = `${features}
  objective W = E[x ~ data](L(F(x))) - E[xf ~ p(x)](L(F(xf)))`;
  const clipped = "constrain L.weights in [-0.01, 0.01]";
  const nested: typeof cases = [
    ["by name, one way", around, "maximize GAN(p, critic) over F, L  maximize GAN(p, critic) over G", ["GM3744"]],
    ["by name, right", around, "maximize GAN(p, critic) over F, L  minimize GAN(p, critic) over G", []],
    ["the head alone, one way", around, "maximize GAN(p, critic) over L  maximize GAN(p, critic) over G", ["GM3510", "GM3744"]],
    ["not saturating, one way", around, "maximize GAN(p, critic) over F, L  minimize NonSaturating(p, critic) over G", ["GM3744"]],
    ["not saturating, right", around, "maximize GAN(p, critic) over F, L  maximize NonSaturating(p, critic) over G", []],
    ["written out, one way", gan, "maximize V over F, L  maximize V over G", ["GM3744"]],
    ["written out, right", gan, "maximize V over F, L  minimize V over G", []],
    [
      "written out, the generator by samples alone, one way",
      gan,
      "maximize V over F, L  minimize E[xf ~ p(x)](log_sigmoid(L(F(xf)))) over G",
      ["GM3744"],
    ],
    [
      "written out, the generator by samples alone, right",
      gan,
      "maximize V over F, L  maximize E[xf ~ p(x)](log_sigmoid(L(F(xf)))) over G",
      [],
    ],
    ["a distance", distance, "maximize W over F, L  minimize W over G", ["GM3748"]],
    ["a distance, one way", distance, "maximize W over F, L  maximize W over G", ["GM3744", "GM3748"]],
    ["a distance, the head alone clipped", distance, `maximize W over F, L  minimize W over G  ${clipped}`, ["GM3748"]],
    ["a distance, both clipped", distance, `maximize W over F, L  minimize W over G  ${clipped}  constrain F.weights in [-0.01, 0.01]`, []],
    ["a distance over features that nothing moves", distance, `maximize W over L  minimize W over G  ${clipped}`, ["GM3510"]],
    [
      "a distance with a penalty",
      distance,
      "maximize W - 10 * E[x ~ data]((norm(grad[x](L(F(x)))) - 1)^2) over F, L  minimize W over G",
      [],
    ],
  ];
  it.each(nested)("of one net around another: %s", (_name, parts, train, codes) =>
    expect([...codesOf(own(parts, train))].sort()).toEqual(codes),
  );

  const pairs = (f: (v: string) => string, g: (v: string) => string, layer = "dense(H)"): string => `net enc(x) = x |> dense(D)
  net critic(x, z) = concat(x, z) |> ${layer} |> relu |> ${layer.replace("H", "1")} |> sum
  objective V = E[x ~ data](${f("critic(x, enc(x))")}) + E[xf, z ~ p(x, z)](${g("critic(xf, z)")})`;
  const log = pairs(
    (v) => `log_sigmoid(${v})`,
    (v) => `log_sigmoid(-${v})`,
  );
  const means = pairs(
    (v) => v,
    (v) => `(-${v})`,
  );
  const bigan: typeof cases = [
    ["one way", log, "maximize V over critic  maximize V over G, enc", ["GM3744"]],
    ["right", log, "maximize V over critic  minimize V over G, enc", []],
    [
      "not saturating, right",
      log,
      `maximize V over critic
      maximize E[x ~ data](log_sigmoid(-critic(x, enc(x)))) + E[xf, z ~ p(x, z)](log_sigmoid(critic(xf, z))) over G, enc`,
      [],
    ],
    ["the encoder alone, one way", log, "maximize V over critic  minimize V over G  maximize V over enc", ["GM3744"]],
    ["a distance", means, "maximize V over critic  minimize V over G, enc", ["GM3748"]],
    ["a distance, one way", means, "maximize V over critic  maximize V over G, enc", ["GM3744", "GM3748"]],
    ["a distance, clipped", means, "maximize V over critic  minimize V over G, enc  constrain critic.weights in [-0.01, 0.01]", []],
    [
      "a distance, normalised",
      pairs(
        (v) => v,
        (v) => `(-${v})`,
        "dense(H, spectral = true)",
      ),
      "maximize V over critic  minimize V over G, enc",
      [],
    ],
  ];
  it.each(bigan)("of pairs: %s", (_name, parts, train, codes) => expect([...codesOf(own(parts, train))].sort()).toEqual(codes));

  const noisy = `${scalar}
  objective W = E[x ~ data, n ~ Normal(0 * x, 0.1)](D1(x + n)) - E[xf ~ p(x), n ~ Normal(0 * xf, 0.1)](D1(xf + n))`;
  const inBox = "constrain w in [-1, 1]";
  const logits = "param v : real = 0.1  param u : real = 0";
  const line = `${logits}
  objective V = E[x ~ data](log_sigmoid(v * sum(x) + u)) + E[xf ~ p(x)](log_sigmoid(-(v * sum(xf) + u)))`;
  const hidden = `param v : real[H] = 0.1  param A : real[D, H] = 0.1
  objective V = E[x ~ data](sum(v * relu(x @ A))) - E[xf ~ p(x)](sum(v * relu(xf @ A)))`;
  const held = "constrain v in [-1, 1]  constrain A in [-1, 1]";
  const reduced = (f: string): string => `net q(x) = x |> dense(H) |> relu |> dense(3)
  objective V = E[x ~ data](${f}(q(x))) - E[xf ~ p(x)](${f}(q(xf)))`;
  const held3 = "constrain q.weights in [-0.01, 0.01]";
  const notations: typeof cases = [
    ["instance noise", noisy, "maximize W over D1  minimize W over G", ["GM3748"]],
    ["instance noise, clipped", noisy, "maximize W over D1  minimize W over G  constrain D1.weights in [-0.01, 0.01]", []],
    ["params alone, one way", linear, `maximize W over w  maximize W over G  ${inBox}`, ["GM3744"]],
    ["params alone, right", linear, `maximize W over w  minimize W over G  ${inBox}`, []],
    ["params within a logarithm, one way", line, "maximize V over v, u  maximize V over G", ["GM3744"]],
    ["params within a logarithm, right", line, "maximize V over v, u  minimize V over G", []],
    ["params of a hidden layer, one way", hidden, `maximize V over v, A  maximize V over G  ${held}`, ["GM3744"]],
    ["params of a hidden layer, right", hidden, `maximize V over v, A  minimize V over G  ${held}`, []],
    ...["logsumexp", "max"].flatMap((f): typeof cases => [
      [`${f} of logits, one way`, reduced(f), `maximize V over q  maximize V over G  ${held3}`, ["GM3744"]],
      [`${f} of logits, right`, reduced(f), `maximize V over q  minimize V over G  ${held3}`, []],
    ]),
  ];
  it.each(notations)("in other notations: %s", (_name, parts, train, codes) =>
    expect([...codesOf(own(parts, train))].sort()).toEqual(codes),
  );

  const weighted = (real: string, fake: string): string => `minimize ${real}E[x ~ data](mean(abs(x - E1(x)))) - ${fake}fake over E1
    minimize fake over G`;
  const named = `${error}
  objective fake = E[xf ~ p(x)](mean(abs(xf - E1(xf))))`;
  const equilibrium: typeof cases = [
    ["the error of samples counts less", named, weighted("", "0.3 * "), []],
    ["both are doubled", named, weighted("2 * ", "0.6 * "), []],
    ["both count alike", named, weighted("", ""), ["GM3748"]],
    ["both count alike, doubled", named, weighted("2 * ", "2 * "), ["GM3748"]],
    ["the error of samples counts more", named, weighted("0.3 * ", ""), ["GM3748"]],
    [
      "a critic that is no error",
      scalar,
      "maximize E[x ~ data](D1(x)) - 0.3 * E[xf ~ p(x)](D1(xf)) over D1  minimize E[x ~ data](D1(x)) - E[xf ~ p(x)](D1(xf)) over G",
      ["GM3748"],
    ],
  ];
  it.each(equilibrium)("weights of the sides of a difference: %s", (_name, parts, train, codes) =>
    expect([...codesOf(own(parts, train))].sort()).toEqual(codes),
  );
});

describe("a critic whose value is an autoencoder's error", () => {
  const began = (error: string, domain = "unit", weight = 0.5): string => `model BEGAN {
    data x : ${domain}[4]
    latent z : real[2]
    net G(z) = z |> dense(4) |> sigmoid
    net code(x) = x |> dense(2) |> relu |> dense(4)
    net D(x) = ${error}
    density p(x, z) {
      z ~ Normal(0, 1)
      x = G(z)
    }
    train {
      minimize E[x ~ data](D(x)) - ${String(weight)} * E[xf ~ p(x)](D(xf)) over D, code
      minimize E[xf ~ p(x)](D(xf)) over G
      optimizer = adam(lr = 1e-3), batch = 20, epochs = 1
    }
  }`;

  it.each(["sum(abs(x - sigmoid(code(x))))", "sum((x - sigmoid(code(x)))^2)", "mean(abs(x - tanh(code(x))))"])(
    "is bounded where both sides of the difference are: %s",
    (error) => expect(codesOf(began(error, "unit", 1))).toEqual([]),
  );

  it.each([
    ["sum(abs(x - code(x)))", "unit"],
    ["sum((x - code(x))^2)", "unit"],
    ["sum(abs(x - sigmoid(code(x))))", "real"],
  ])("may grow without end where one is not: %s of %s", (error, domain) => {
    expect(codesOf(began(error, domain, 1))).toEqual(["GM3748"]);
    expect(codesOf(began(error, domain, 0.5))).toEqual([]);
  });
});

describe("variables of one row", () => {
  const labelled = (objective: string, where = `maximize ${objective}`): string => `
model M {
  data x : real[2], k : category[3]
  data other : real[2]
  latent z : real[2]
  param w : real = 0
  net G(z, k) = concat(z, onehot(k)) |> dense(2)
  net f(x, k) = concat(x, onehot(k)) |> dense(1) |> sum |> tanh
  density q(k | x) { k ~ Categorical(logits = x |> dense(3)) }
  density p(x, z | k) {
    z ~ Normal(0, 1)
    x = G(z, k)
  }
  train { ${where} }
}`;

  it.each([
    "E[x ~ data, k ~ data](log q(k | x))",
    "E[x ~ data](E[k ~ data](f(x, k)))",
    "E[k ~ data](f(x, k))",
    "E[k ~ data, x ~ data](1 + 2 * exp(f(x, k)) + sum(x))",
    "E[k ~ data, x ~ data, xf ~ p(x | k)](f(x, k) - f(xf, k))",
  ])("%s warns once", (objective) => {
    expect(codesOf(labelled(objective)).filter((c) => c === "GM3760")).toEqual(["GM3760"]);
  });

  it.each([
    "E[x, k ~ data](log q(k | x))",
    "log q(k | x)",
    "E[x, k ~ data](f(x, k)) - log(E[x ~ data, kr ~ data(k)](exp(f(x, kr))))",
    "E[x ~ data, k ~ data](sum(x * w) + f(ones(2), k))",
    "E[x ~ data](f(x, 1)) + E[k ~ data, xf ~ p(x | k)](f(xf, k))",
    "E[x ~ data](f(x, 1)) * E[k ~ data](f(ones(2), k))",
    "E[k ~ data, x ~ p(x | k)](f(x, k))",
    "E[k ~ data, x[1..2] ~ data](max[i in 1..2](f(x[i], k)))",
    "E[x ~ data, other ~ data](f(x - other, 1))",
  ])("%s does not", (objective) => {
    expect(codesOf(labelled(objective))).not.toContain("GM3760");
  });

  it("one objective in two statements is told of once", () => {
    const text = labelled("V", "maximize V over f\n minimize V over G").replace(
      "  train",
      "  objective V = E[x ~ data, k ~ data](f(x, k)) - E[k ~ data, xf ~ p(x | k)](f(xf, k))\n  train",
    );
    expect(codesOf(text).filter((c) => c === "GM3760")).toHaveLength(1);
  });

  it("which are drawn apart have a label that says so", () => {
    const code = compile({ path: "m.gm", text: labelled("E[x ~ data, k ~ data](f(x, k)) + log q(k | x)") }).print("ts");
    expect(code).toContain("k ~ other rows of data");
  });
});
