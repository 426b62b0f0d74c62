/** Statements of a critic without a bound, held against the values that their losses have far out; what holds a difference of means, and what does not. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const found = (text: string): ReturnType<typeof compile>["diagnostics"] => compile({ path: "model.gm", text }).diagnostics;
const codesOf = (text: string): readonly string[] => found(text).map((d) => d.code);

const game = (train: string, critic = "x |> dense(H) |> tanh |> dense(1) |> sum", more = ""): string => `
model Game(D = 2, H = 4) {
  data x : real[D]
  latent z : real[D]
  net G(z) = z |> dense(H) |> tanh |> dense(D)
  net C(x) = ${critic}
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  ${more}
  train { ${train}  batch = 8 }
}`;

const softplus = (c: number): number => Math.max(c, 0) + Math.log1p(Math.exp(-Math.abs(c)));

/** Losses of a critic's value, and the same in JavaScript. */
const losses: readonly (readonly [(c: string) => string, (c: number) => number])[] = [
  [(c) => `log(sigmoid(${c}))`, (c) => -softplus(-c)],
  [(c) => `log(1 - sigmoid(${c}))`, (c) => -softplus(c)],
  [(c) => `(1.4 * log(sigmoid(${c})) - 0.4 * log(1 - sigmoid(${c})))`, (c) => -1.4 * softplus(-c) + 0.4 * softplus(c)],
  [(c) => `0.5 * (${c} - 1)^2`, (c) => 0.5 * (c - 1) ** 2],
  [(c) => `(-relu(1 + ${c}))`, (c) => -Math.max(0, 1 + c)],
  [(c) => `(-exp(${c} - 1))`, (c) => -Math.exp(c - 1)],
  [(c) => `(1 - exp(-${c}))`, (c) => 1 - Math.exp(-c)],
  [(c) => `(-(0.25 * ${c}^2 + ${c}))`, (c) => -(0.25 * c ** 2 + c)],
  [(c) => `0.5 * tanh(${c})`, (c) => 0.5 * Math.tanh(c)],
  [(c) => `(abs(2 * ${c}) - ${c}^3)`, (c) => Math.abs(2 * c) - c ** 3],
];

/** Does the sum, or one side that the other does not outweigh, rise without end? By differences between 10, 20 and 40. */
function risesFarOut(f: (c: number) => number, g: (c: number) => number): boolean {
  return [1, -1].some((way) => {
    const steps = (h: (c: number) => number): readonly [number, number] => [h(20 * way) - h(10 * way), h(40 * way) - h(20 * way)];
    const [whole] = [steps((c) => f(c) + g(c))];
    if (whole[1] > 1 && whole[1] > whole[0]) return true;
    return (
      [
        [f, g],
        [g, f],
      ] as const
    ).some(([up, other]) => {
      const [a, b] = [steps(up), steps(other)];
      const outweighs = b[1] < -1 && b[1] / a[1] < 1.5 * (b[0] / a[0]);
      return a[1] > 1 && !outweighs;
    });
  });
}

describe("an objective without a bound", () => {
  it("is told where the losses rise far out", () => {
    let told = 0;
    for (const [f, fAt] of losses)
      for (const [g, gAt] of losses)
        for (const [direction, sign] of [
          ["maximize", 1],
          ["minimize", -1],
        ] as const) {
          const objective = `E[x ~ data](${f("C(x)")}) + E[xf ~ p(x)](${g("C(xf)")})`;
          const expected = risesFarOut(
            (c) => sign * fAt(c),
            (c) => sign * gAt(c),
          );
          if (expected) told++;
          const isTold = codesOf(game(`${direction} ${objective} over C  minimize E[xf ~ p(x)](sum(xf^2)) over G`)).includes("GM3759");
          expect(isTold, `${direction} ${objective}`).toBe(expected);
        }
    expect(told).toBeGreaterThan(40);
    expect(told).toBeLessThan(180);
  });

  const cases: readonly (readonly [string, string, string | undefined, readonly string[]])[] = [
    ["the doubly inverted game", "minimize GAN(p, C) over C  maximize GAN(p, C) over G", undefined, ["GM3759"]],
    ["least squares ascended", "maximize LeastSquares(p, C) over C  minimize LeastSquaresFool(p, C) over G", undefined, ["GM3759"]],
    ["least squares", "minimize LeastSquares(p, C) over C  minimize LeastSquaresFool(p, C) over G", undefined, []],
    ["a label above 1", "maximize SmoothGAN(p, C, real = 1.4) over C  maximize NonSaturating(p, C) over G", undefined, ["GM3759"]],
    ["a label below 0", "maximize SmoothGAN(p, C, real = -0.2) over C  maximize NonSaturating(p, C) over G", undefined, ["GM3759"]],
    ["a label between", "maximize SmoothGAN(p, C, real = 0.7) over C  maximize NonSaturating(p, C) over G", undefined, []],
    ["a bounded critic", "minimize GAN(p, C) over C  maximize GAN(p, C) over G", "x |> dense(1) |> tanh |> sum", []],
    ["clipped", "minimize GAN(p, C) over C  maximize GAN(p, C) over G  constrain C.weights in [-0.1, 0.1]", undefined, []],
    [
      "a net around the logits",
      "minimize E[x ~ data](log_sigmoid(N(C(x)))) + E[xf ~ p(x)](log_sigmoid(-N(C(xf)))) over C  minimize NonSaturating(p, C) over G",
      undefined,
      ["GM3759"],
    ],
    [
      "differences of examples, of which nothing is known",
      "minimize E[x ~ data, xf ~ p(x)](log_sigmoid(C(x) - C(xf))) over C  maximize E[x ~ data, xf ~ p(x)](log_sigmoid(C(x) - C(xf))) over G",
      undefined,
      [],
    ],
  ];
  it.each(cases)("%s", (_name, train, critic, codes) =>
    expect(codesOf(game(train, critic, train.includes("(N(") ? "net N(v) = 2 * v + 1" : ""))).toEqual(codes),
  );

  const library = ["GAN", "GanKL", "GanReverseKL", "GanPearson", "GanHellinger", "GanJensenShannon", "GanTotalVariation", "Hinge"];
  it.each(library)("%s is right one way, and one way alone", (name) => {
    const played = (critic: string, generator: string): readonly string[] =>
      codesOf(game(`${critic} ${name}(p, C) over C  ${generator} ${name}(p, C) over G`));
    expect(played("maximize", "minimize")).toEqual([]);
    // bounded both ways, GanTotalVariation has no wrong one
    expect(played("minimize", "maximize")).toEqual(name === "GanTotalVariation" ? [] : ["GM3759"]);
  });
});

describe("a critic of several heads", () => {
  const heads = "x |> dense(H) |> tanh |> dense(3)";
  const gan = (direction: string): string =>
    `${direction} E[x ~ data](mean(log(sigmoid(C(x))))) + E[xf ~ p(x)](mean(log(1 - sigmoid(C(xf))))) over C`;
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ["the right game", `${gan("maximize")}  maximize E[xf ~ p(x)](mean(log(sigmoid(C(xf))))) over G`, []],
    ["the inverted game", `${gan("minimize")}  minimize E[xf ~ p(x)](mean(log(sigmoid(C(xf))))) over G`, ["GM3759"]],
    ["least squares", "minimize PatchLeastSquares(p, C) over C  minimize E[xf ~ p(x)](mean((C(xf) - 1)^2)) over G", []],
    ["least squares ascended", "maximize PatchLeastSquares(p, C) over C  minimize E[xf ~ p(x)](mean((C(xf) - 1)^2)) over G", ["GM3759"]],
    ["a hinge", "minimize E[x ~ data](mean(relu(1 - C(x)))) + E[xf ~ p(x)](mean(relu(1 + C(xf)))) over C  minimize E[xf ~ p(x)](-mean(C(xf))) over G", []], // prettier-ignore
    ["a hinge of a wrong sign", "minimize E[x ~ data](mean(relu(1 - C(x)))) - E[xf ~ p(x)](mean(relu(1 + C(xf)))) over C  minimize E[xf ~ p(x)](-mean(C(xf))) over G", ["GM3759"]], // prettier-ignore
    ["features that play against a distance", "maximize FeatureMMD(p, C) over C  minimize FeatureMMD(p, C) over G", []],
  ];
  it.each(cases)("%s", (_name, train, codes) => expect(codesOf(game(train, heads))).toEqual(codes));
  it("errors of an autoencoder are no runaway", () => {
    const error = (at: string): string => `sum((${at} - C(${at}))^2)`;
    const train = `minimize E[x ~ data](${error("x")}) + E[xf ~ p(x)](relu(1 - ${error("xf")})) over C  minimize E[xf ~ p(x)](${error("xf")}) over G`;
    expect(codesOf(game(train, "x |> dense(H) |> tanh |> dense(D)"))).toEqual([]);
  });
});

describe("what a help says of a statement without a bound", () => {
  const on = (train: string): string =>
    found(game(train))
      .flatMap((d) => (d.code === "GM3759" ? [...d.help, ...d.labels.map((l) => l.text)] : []))
      .join("\n");
  const fool = "maximize NonSaturating(p, C) over G";
  it("names labels that are no probabilities", () => {
    for (const real of ["-0.1", "1.4"]) {
      const help = on(`maximize SmoothGAN(p, C, real = ${real}) over C  ${fool}`);
      expect(help).toContain("labels are probabilities, within 0..1");
      expect(help).toContain(real === "-0.1" ? "`-0.1 * log(sigmoid(C(x)))` rises there" : "`-0.4 * log((1 - sigmoid(C(x))))` rises there");
    }
  });
  it("names the term of a wrong sign, or the template", () => {
    const term = on(`minimize E[x ~ data](C(x)^2) - E[xf ~ p(x)]((C(xf) - 1)^4) over C  ${fool}`);
    expect(term).toContain("`-(C(xf) - 1)^4` falls there, and a loss has a bound on either side: turn its sign");
    expect(term).toContain("this falls without end there");
    expect(term).not.toContain("count alike");
    const text = game(`minimize LeastSquares(p, B) - LeastSquares(p, C) over B, C  minimize LeastSquaresFool(p, C) + LeastSquaresFool(p, B) over G`); // prettier-ignore
    const [first] = found(text.replace("  density", "  net B(x) = x |> dense(1) |> sum\n  density")).filter((d) => d.code === "GM3759");
    expect(first?.help).toEqual(["`LeastSquares(p, C)` falls there, and a loss has a bound on either side: turn its sign"]);
  });
});

describe("a critic that is moved the same way on data and on samples", () => {
  const fool = "E[xf ~ p(x)](log_sigmoid(C(xf)))";
  const against = `minimize ${fool} over G`;
  it("is told where the slopes of both losses have one sign everywhere, or the losses are one", () => {
    const values = [-3, -1.7, -0.6, 0.4, 1.3, 2.9];
    const signs = (f: (c: number) => number): readonly number[] => [
      ...new Set(values.map((c) => Math.sign(Math.round((f(c + 1e-4) - f(c)) * 1e9)))),
    ];
    const seen = { told: 0, silent: 0 };
    for (const [i, [f, fAt]] of losses.entries())
      for (const [j, [g, gAt]] of losses.entries()) {
        // those of a label outside of 0..1 have no bound, which is said
        if (i === 2 || j === 2) continue;
        const [a, b] = [signs(fAt), signs(gAt)].map((s) => (s.filter((v) => v !== 0).length === 1 ? s.find((v) => v !== 0) : undefined));
        const expected = (a !== undefined && a === b) || i === j;
        const codes = codesOf(game(`maximize E[x ~ data](${f("C(x)")}) + E[xf ~ p(x)](${g("C(xf)")}) over C  ${against}`));
        expect(codes.includes("GM3761"), `${f("C(x)")} and ${g("C(xf)")}`).toBe(expected);
        seen[expected ? "told" : "silent"]++;
      }
    expect(seen.told).toBeGreaterThan(15);
    expect(seen.silent).toBeGreaterThan(30);
  });

  const log = (of: string): string => `log(sigmoid(${of}))`;
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ["whichever way the generator goes", `maximize E[x ~ data](${log("C(x)")}) + E[xf ~ p(x)](${log("C(xf)")}) over C  maximize NonSaturating(p, C) over G`, ["GM3761"]], // prettier-ignore
    ["the objective of both", "minimize E[x ~ data](relu(1 + C(x))) + E[xf ~ p(x)](relu(1 + C(xf))) over C  maximize E[x ~ data](relu(1 + C(x))) + E[xf ~ p(x)](relu(1 + C(xf))) over G", ["GM3761"]], // prettier-ignore
    ["the other hinge", "minimize E[x ~ data](relu(1 - C(x))) + E[xf ~ p(x)](relu(1 + C(xf))) over C  minimize E[xf ~ p(x)](-C(xf)) over G", []], // prettier-ignore
    ["a sum of means", "maximize E[x ~ data](C(x)) + E[xf ~ p(x)](C(xf)) - 10 * GradientPenalty(p, C) over C  minimize WGAN(p, C) over G", ["GM3761"]], // prettier-ignore
    ["a value that nobody plays against", `maximize E[x ~ data](${log("C(x)")}) + E[xf ~ p(x)](${log("C(xf)")}) over C  minimize E[xf ~ p(x)](sum(xf^2)) over G`, []], // prettier-ignore
    ["a target of each example", "minimize E[x ~ data]((C(x) - sum(x))^2) + E[xf ~ p(x)]((C(xf) - sum(xf))^2) over C  minimize E[xf ~ p(x)](C(xf)) over G", []], // prettier-ignore
    ["a drift of both", "maximize WGAN(p, C) - 10 * GradientPenalty(p, C) - 0.001 * E[x ~ data](C(x)^2) - 0.001 * E[xf ~ p(x)](C(xf)^2) over C  minimize WGAN(p, C) over G", []], // prettier-ignore
    ["labels between", "maximize SmoothGAN(p, C, real = 0.7) over C  maximize NonSaturating(p, C) over G", []],
    ["least squares with labels -1 and 1", "minimize E[x ~ data]((C(x) - 1)^2) + E[xf ~ p(x)]((C(xf) + 1)^2) over C  minimize E[xf ~ p(x)](C(xf)^2) over G", []], // prettier-ignore
  ];
  it.each(cases)("%s", (_name, train, codes) => expect(codesOf(game(train))).toEqual(codes));

  const heads = "x |> dense(H) |> tanh |> dense(3)";
  const bothWays = (f: (of: string) => string, g = f): string =>
    `maximize E[x ~ data](${f("C(x)")}) + E[xf ~ p(x)](${g("C(xf)")}) over C  maximize E[xf ~ p(x)](${f("C(xf)")}) over G`;
  it.each<readonly [string, string, readonly string[]]>([
    ["means of one loss", bothWays((c) => `mean(log(sigmoid(${c})))`), ["GM3761"]],
    ["sums of squares about one label", bothWays((c) => `sum(-(${c} - 1)^2)`), ["GM3761"]],
    ["one head", bothWays((c) => `log(sigmoid(${c}[2]))`), ["GM3761"]],
    ["a head for data, another for samples", bothWays((c) => `log(sigmoid(${c}[1]))`, (c) => `log(sigmoid(${c}[2]))`), []], // prettier-ignore
    ["a class for data, another for samples", bothWays((c) => `log(softmax(${c})[1])`, (c) => `log(softmax(${c})[2])`), []], // prettier-ignore
    ["opposite losses", bothWays((c) => `mean(log(sigmoid(${c})))`, (c) => `mean(log(1 - sigmoid(${c})))`), []], // prettier-ignore
  ])("of several heads: %s", (_name, train, codes) => expect(codesOf(game(train, heads))).toEqual(codes));

  it("the way out compiles and is one", () => {
    const told = [
      ...["log(sigmoid(C))", "-(C - 1)^2", "-relu(1 - C)", "-(0.25 * C^2 + C)", "-norm(C)", "-C^2"].map(
        (loss) => [loss, undefined] as const,
      ),
      ...["mean(log(sigmoid(C)))", "sum(-(C - 1)^2)", "log(sigmoid(C[2]))", "-norm(C)"].map((loss) => [loss, heads] as const),
    ];
    for (const [loss, critic] of told) {
      const of = (name: string): string => loss.replace("C", `C(${name})`).replace(/ C\)/u, ` C(${name}))`);
      const written = (samples: string): string =>
        game(`maximize E[x ~ data](${of("x")}) + E[xf ~ p(x)](${samples}) over C  minimize E[xf ~ p(x)](${of("xf")}) over G`, critic);
      const [first] = found(written(of("xf"))).filter((d) => d.code === "GM3761");
      const [, shown, taken] = /and `([^`]*)` ask .* `([^`]*)`$/u.exec(first?.help[0] ?? "") ?? [];
      expect(taken, loss).toBeDefined();
      expect(of("xf"), loss).toContain(shown!);
      const mended = found(written(of("xf").replace(shown!, taken!)));
      expect(
        mended.filter((d) => d.code === "GM3761" || d.severity === "error"),
        `${loss}: ${taken!}`,
      ).toEqual([]);
    }
  });
});

describe("critics that share a net", () => {
  const trunk = "net T(x) = x |> dense(H) |> tanh\n  net B(x) = T(x) |> dense(1) |> sum";
  const loss = (direction: string, c = "C(T(x))", f = "C(T(xf))"): string =>
    `${direction} E[x ~ data](log(sigmoid(${c}))) + E[xf ~ p(x)](log(1 - sigmoid(${f})))`;
  it("what a critic reads of data and of samples alike is nothing that is made", () => {
    const text = (direction: string, other: string): string =>
      game(`${loss(direction)} over C, T  ${loss(other)} over G`, "x |> dense(1) |> sum", "net T(x) = x |> dense(H) |> tanh");
    expect(codesOf(text("minimize", "maximize"))).toEqual(["GM3759"]);
    expect(codesOf(text("maximize", "minimize"))).toEqual([]);
  });
  it.each([
    ["within it", "T(x) |> dense(1) |> sum", "C(x)", "C(xf)"],
    ["before it", "x |> dense(1) |> sum", "C(T(x))", "C(T(xf))"],
  ])("clipping that is proposed holds all of them: %s", (_name, critic, c, f) => {
    const distance = `E[x ~ data, xf ~ p(x)](abs(${c} - ${f}))`;
    const text = (clips: string): string =>
      game(`maximize ${distance} over C, T  minimize ${distance} over G  ${clips} `, critic, "net T(x) = x |> dense(H) |> tanh");
    const [first] = found(text("")).filter((d) => d.code === "GM3759");
    const clips = [...(first?.help[0] ?? "").matchAll(/`(constrain [^`]*)`/gu)].map(([, clip]) => clip!);
    expect(clips.map((clip) => clip.split(" ")[1]).sort()).toEqual(["C.weights", "T.weights"]);
    expect(codesOf(text(clips.join("  ")))).toEqual([]);
    for (const clip of clips) expect(codesOf(text(clip))).toEqual(["GM3759"]);
  });
  it("two critics of one statement, and of statements of their own", () => {
    const own = "T(x) |> dense(1) |> sum";
    expect(codesOf(game("minimize GAN(p, C) + GAN(p, B) over C, B, T  maximize GAN(p, C) + GAN(p, B) over G", own, trunk))).toEqual([
      "GM3759",
    ]);
    expect(codesOf(game("maximize GAN(p, C) + GAN(p, B) over C, B, T  minimize GAN(p, C) + GAN(p, B) over G", own, trunk))).toEqual([]);
  });
});

describe("ways out of a game in which both pull one way", () => {
  const helpOf = (train: string): string =>
    found(game(train))
      .filter((d) => d.code === "GM3744")
      .flatMap((d) => d.help)
      .join("\n");
  it.each(["GAN", "GanKL", "GanPearson", "Hinge"])("%s: the one that has a bound", (name) => {
    const descended = helpOf(`minimize ${name}(p, C) over C  minimize ${name}(p, C) over G`);
    expect(descended).toContain(`\`maximize ${name}(p, C) over C\``);
    expect(descended).not.toContain("over G");
    const ascended = helpOf(`maximize ${name}(p, C) over C  maximize ${name}(p, C) over G`);
    expect(ascended).toContain(`\`minimize ${name}(p, C) over G\``);
    expect(ascended).not.toContain("over C`");
    // whoever stands first
    expect(helpOf(`maximize ${name}(p, C) over G  maximize ${name}(p, C) over C`)).toContain(`\`minimize ${name}(p, C) over G\``);
  });

  it("both, where either is a game", () => {
    const help = helpOf("minimize WGAN(p, C) over C  minimize WGAN(p, C) over G");
    expect(help).toContain("`maximize WGAN(p, C) over G`");
    expect(help).toContain("`maximize WGAN(p, C) over C`");
  });

  it("does not turn a penalty with the loss", () => {
    const help = helpOf("minimize GAN(p, C) + R1(x, C) over C  minimize GAN(p, C) over G");
    expect(help).toContain("leave that of the penalty");
    expect(help).not.toContain("maximize GAN(p, C) + R1");
  });
});

describe("what is added to a difference of means", () => {
  const added: readonly (readonly [string, readonly string[]])[] = [
    ["+ 0 * E[x ~ data](C(x)^2)", ["GM3748"]],
    ["+ 1e-9 * E[x ~ data](C(x)^2)", ["GM3748"]],
    ["+ 0.001 * E[x ~ data](C(x)^2)", ["GM3748"]],
    ["- 0.001 * E[x ~ data](C(x)^2)", ["GM3748"]],
    ["- 0.001 * E[x ~ data](abs(C(x)))", ["GM3748"]],
    ["+ 0.1 * E[x ~ data](tanh(C(x)))", ["GM3748"]],
    ["+ E[x ~ data](sin(C(x)))", ["GM3748"]],
    ["+ E[x ~ data](stop(C(x))^2)", ["GM3748"]],
    ["- E[xf ~ p(x)](stop(C(xf))^2)", ["GM3748"]],
    // the bound of a divergence: what the generator is told stays within bounds
    ["- 0.001 * E[x ~ data](C(x)^2) - 0.001 * E[xf ~ p(x)](C(xf)^2)", []],
    ["- 10 * GradientPenalty(p, C) - 0.001 * E[x ~ data](C(x)^2)", []],
    ["- 10 * E[x ~ data, xf ~ p(x), u ~ Uniform(0, 1)]((norm(grad[y = u * x + (1 - u) * xf](C(x))) - 1)^2)", ["GM3748"]],
    ["- 10 * E[x ~ data, xf ~ p(x)]((norm(grad[x](C(xf))) - 1)^2)", ["GM3748"]],
    ["- E[x ~ data](sum(grad[y = x](C(x))^2))", ["GM3748"]],
    // slopes of what stays while the critic's value grows
    ["- 10 * E[xf ~ p(x)]((norm(grad[y = xf](C(y))) - 1)^2)", []],
    ["- 10 * E[xf ~ p(x)]((norm(grad[y = xf](tanh(C(y)))) - 1)^2)", ["GM3748"]],
    ["- 10 * E[xf ~ p(x)](norm(grad[y = xf](log(sigmoid(C(y)))))^2)", ["GM3748"]],
    // of both sides at once: their difference is free, or held
    ["- 0.001 * E[x ~ data, xf ~ p(x)](relu(C(x) + C(xf)))", ["GM3748"]],
    ["- 0.001 * E[x ~ data, xf ~ p(x)]((C(x) + C(xf))^2)", ["GM3748"]],
    ["- 0.001 * E[x ~ data, xf ~ p(x)]((C(x) - C(xf))^2)", []],
  ];
  it.each(added)("%s", (term, codes) => {
    expect(codesOf(game(`maximize WGAN(p, C) ${term} over C  minimize WGAN(p, C) over G`))).toEqual(codes);
    const turned = term.replaceAll(/[+-] (?=\d|E|stop)/gu, (sign) => (sign.startsWith("+") ? "- " : "+ "));
    expect(codesOf(game(`minimize -WGAN(p, C) ${turned} over C  minimize WGAN(p, C) over G`.replace("- 10 * Gr", "+ 10 * Gr")))).toEqual(
      codes,
    );
  });

  it("a gradient in a name that is not read trains nothing", () => {
    const codes = codesOf(game("maximize GAN(p, C) - E[x ~ data](sum(grad[y = x](C(x))^2)) over C  minimize GAN(p, C) over G"));
    expect(codes).toEqual(["GM3757"]);
  });
});

describe("arguments of templates that are of another kind", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["R1(p, C)", "`p` is a density, where a value for `x` of `R1` is wanted", "such as a data variable: `x`"],
    ["R1(C, x)", "`C` is a net, where a value for `x` of `R1` is wanted", "such as a data variable: `x`"],
    ["MMD(p, C)", "`C` is a net, where a value for `bandwidths` of `MMD` is wanted", "`FeatureMMD` takes a net there"],
    ["R1(x, C, G)", "`G` is a net, where a value for `gamma` of `R1` is wanted", "it may be left out: `R1(x, D)`"],
    ["Own(p, C)", "`p` is a density, where a value for `v` of `Own` is wanted", "such as a data variable: `x`"],
  ];
  it.each(cases)("%s", (call, message, help) => {
    const text = `objective Own(v, f) = R1(v, f)\nobjective Value(v, f) = sum(f(v) * v)\n${game(`maximize ${call} over C`).trim()}`;
    const [first, ...others] = found(text.replace("Own(v, f) = R1(v, f)", "Own(v, f) = R1(v, f) + sum(v)")).filter(
      (d) => d.severity === "error",
    );
    expect([first?.code, first?.message, first?.help, others.length]).toEqual(["GM2007", message, [help], 0]);
  });
});

/** Of what a critic says of a pair, and the same in JavaScript. */
const pairs: readonly (readonly [string, (a: number, b: number) => number])[] = [
  ["(C(x) - C(xf) - 1)^2", (a, b) => (a - b - 1) ** 2],
  ["abs(C(x) - C(xf))", (a, b) => Math.abs(a - b)],
  ["log(sigmoid(C(x) - C(xf)))", (a, b) => -softplus(b - a)],
  ["softplus(C(x) - C(xf))", (a, b) => softplus(a - b)],
  ["exp(C(x) - C(xf))", (a, b) => Math.exp(a - b)],
  ["(C(x) - C(xf))^3", (a, b) => (a - b) ** 3],
  ["tanh(C(x) - C(xf))", (a, b) => Math.tanh(a - b)],
  ["(batch_mean(C(x)) - batch_mean(C(xf)))^2", (a, b) => (a - b) ** 2],
  ["(0.5 * (C(x) - C(xf))^2 - 3 * abs(C(x)))", (a, b) => 0.5 * (a - b) ** 2 - 3 * Math.abs(a)],
];

describe("a distance of a critic's values on data and samples", () => {
  const objectiveOf = (pair: string): string => `E[x ~ data, xf ~ p(x)](${pair})`;

  it("is told where it rises whichever of the two are larger", () => {
    let told = 0;
    for (const [pair, at] of pairs)
      for (const [direction, sign] of [
        ["maximize", 1],
        ["minimize", -1],
      ] as const) {
        const rises = (way: number): boolean => sign * (at(40 * way, -40 * way) - at(20 * way, -20 * way)) > 1;
        const expected = rises(1) && rises(-1);
        const codes = codesOf(game(`${direction} ${objectiveOf(pair)} over C`));
        expect({ pair, direction, told: codes.includes("GM3759") }).toEqual({ pair, direction, told: expected });
        if (expected) told++;
      }
    expect(told).toBe(4);
  });

  it("is let be where slopes or weights are held", () => {
    const objective = objectiveOf("abs(C(x) - C(xf))");
    expect(codesOf(game(`maximize ${objective} over C`))).toContain("GM3759");
    expect(codesOf(game(`maximize ${objective} - 10 * GradientPenalty(p, C) over C`))).not.toContain("GM3759");
    expect(codesOf(game(`maximize ${objective} over C  constrain C.weights in [-0.01, 0.01]`))).not.toContain("GM3759");
    const spectral = "x |> dense(H, spectral = true) |> tanh |> dense(1, spectral = true) |> sum";
    expect(codesOf(game(`maximize ${objective} over C`, spectral))).not.toContain("GM3759");
  });

  it("is told where to mend what an objective's body holds: there, or written out where others call it for the samples alone", () => {
    const bodies = (samples: string): string =>
      `objective Both(p, K) = E[x ~ data](log(sigmoid(K(x)))) + E[xf ~ p(x)](${samples})
      objective Fakes(p, K) = E[xf ~ p(x)](log(sigmoid(K(xf))))
      `;
    const wrong = "log(sigmoid(K(xf)))";
    const mends = (train: string): string => found(bodies(wrong) + game(train)).find((d) => d.code === "GM3761")?.help[0] ?? "";
    for (const train of [
      "maximize Both(p, C) over C  maximize Fakes(p, C) over G",
      "maximize Both(p, C) over C  minimize Both(p, C) over G",
    ]) {
      expect(mends(train)).toContain("of samples take `log(sigmoid(-K(xf)))`, in the body of the objective that this statement calls");
      expect(codesOf(bodies("log(sigmoid(-K(xf)))") + game(train))).toEqual([]);
    }
    const data = "E[x ~ data](log(sigmoid(C(x))))";
    expect(mends(`maximize ${data} + Fakes(p, C) over C  maximize Fakes(p, C) over G`)).toMatch(
      /of samples take `log\(sigmoid\(-C\(xf\)\)\)`, written out in this statement: others call the same objective/u,
    );
    expect(
      codesOf(bodies(wrong) + game(`maximize ${data} + E[xf ~ p(x)](log(sigmoid(-C(xf)))) over C  maximize Fakes(p, C) over G`)),
    ).toEqual([]);
  });
});
