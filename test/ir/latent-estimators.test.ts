/** The table of latent estimators against the runtime, and the order in which it is used where `by` says nothing. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { explain, printExplanation } from "../../src/codegen/explain.js";
import { distributions } from "../../src/ir/distributions.js";
import { latentEstimators, type DrawFacts } from "../../src/ir/latent-estimators.js";
import { renderDiagnostics } from "../../src/base/render.js";
import * as runtime from "../../src/runtime/index.js";

const model = (units: number, train: string, more = ""): string => `model M {
  data x : binary[4]
  latent h : binary[${units}], z : real[2]
  ${more}
  density p(x, h, z) {
    z ~ Normal(0, 1)
    h ~ Bernoulli(logits = z |> dense(${units}))
    x ~ Bernoulli(logits = h |> dense(4))
  }
  density q(h, z | x) {
    z ~ Normal(x |> dense(2), 1)
    h ~ Bernoulli(logits = z |> dense(${units}))
  }
  train { ${train} }
}`;

function explained(text: string): ReturnType<typeof explain> {
  const compiled = compile({ path: "m.gm", text });
  if (!compiled.derived) throw new Error(renderDiagnostics(compiled.diagnostics, { color: false }));
  return explain(compiled.derived);
}

const chosen = (text: string): readonly string[] =>
  (explained(text).train[0]?.latents ?? []).filter((l) => l.estimator !== "closed-form KL").map((l) => `${l.variable} ${l.estimator}`);

describe("entries", () => {
  it.each(latentEstimators.map((e) => [e.name, e] as const))("%s names functions of the runtime", (_, { rule: { surrogate } }) => {
    const names =
      surrogate.kind === "related"
        ? [...Object.values(surrogate.draw), ...Object.values(surrogate.fn)]
        : surrogate.kind === "bound"
          ? [surrogate.fn]
          : surrogate.kind === "replaced"
            ? Object.values(surrogate.draw)
            : [];
    for (const name of names) expect(typeof (runtime as Readonly<Record<string, unknown>>)[name]).toBe("function");
  });
});

describe("what an estimator fits", () => {
  const facts = (dist: string, more: Partial<DrawFacts> = {}): DrawFacts => ({
    variable: "z",
    dist: distributions.get(dist)!,
    domain: undefined,
    states: undefined,
    entries: 3,
    samples: undefined,
    bound: false,
    follows: false,
    sequential: false,
    movingEdges: false,
    movingShares: false,
    step: undefined,
    steep: undefined,
    stop: undefined,
    ...more,
  });
  const states = (size: number): Partial<DrawFacts> => ({ states: { size } as DrawFacts["states"] });
  const related = "disarm arm local_expectation rebar relax";
  const relaxed = "concrete gumbel_straight_through straight_through";
  it.each([
    ["few bits", facts("Bernoulli", states(8)), `enumerate score ${related} ${relaxed} fixed`],
    [
      "bits that stand in a `stop`",
      facts("Bernoulli", { ...states(8), stop: "stop(z)" }),
      `enumerate score disarm arm local_expectation ${relaxed} fixed`,
    ],
    ["many bits", facts("Bernoulli", states(2 ** 40)), `score ${related} ${relaxed} fixed`],
    ["bits that may be missing", facts("Bernoulli", { domain: { name: "binary", optional: true } as never }), `score ${relaxed} fixed`],
    ["a one-hot class", facts("OneHotCategorical", states(3)), `enumerate score local_expectation rebar relax ${relaxed} fixed`],
    ["a class", facts("Categorical", states(3)), "enumerate score fixed"],
    ["a count", facts("Poisson"), "score fixed"],
    ["a Normal, whatever its states are said to be", facts("Normal", states(2)), "reparam score fixed stl"],
    ["a Normal after another draw", facts("Normal", { follows: true }), "reparam score fixed stl"],
    ["samples of bits in a bound", facts("Bernoulli", { ...states(8), samples: 4, bound: true }), `score vimco ${relaxed} fixed`],
    ["samples of a Normal in a bound", facts("Normal", { samples: 4, bound: true }), "reparam score vimco fixed dreg"],
    ["samples of a Normal used otherwise", facts("Normal", { samples: 4 }), "reparam score fixed"],
    ["one sample in a bound", facts("Normal", { samples: 1, bound: true }), "reparam score fixed"],
  ])("%s", (_, draw, wanted) => {
    const options = { k: 1, baseline: "none" };
    const fitting = latentEstimators.filter((e) => e.rule.misfit(draw, options) === undefined).map((e) => e.name);
    expect([...fitting].sort()).toEqual(wanted.split(" ").sort());
  });
});

describe("without `by`", () => {
  it.each([
    [8, "maximize ELBO(p, q)", ["z reparam", "h enumerate"]],
    [40, "maximize ELBO(p, q)", ["z reparam", "h score"]],
    [40, "maximize IWAE(p, q, k = 5)", ["z reparam", "h vimco"]],
    [8, "maximize IWAE(p, q, k = 5)", ["z reparam", "h vimco"]],
    [40, "maximize IWAE(p, q, k = 1)", ["z reparam", "h score"]],
    [40, "maximize E[h, z ~ q(h, z | x)](log p(x, h, z)) over p", ["z sampled", "h sampled"]],
  ] as const)("%s units, %s", (units, train, wanted) => {
    expect(chosen(model(units, train))).toEqual(wanted);
  });
});

describe("explain", () => {
  it.each([
    ["score(baseline = c(x))", true],
    ["score(baseline = c(x), normalize = true)", false],
  ])("by %s a path is without bias: %s", (by, unbiased) => {
    // a deviation that divides the gradient scales its mean
    const paths = explained(model(40, `maximize ELBO(p, q) by h: ${by}`, "net c(x) = x |> dense(1) |> sum")).train[0]?.paths;
    expect(paths?.find((p) => p.variable === "h")?.unbiased).toBe(unbiased);
  });

  it("prints the path of each gradient", () => {
    const paths = explained(model(40, "maximize ELBO(p, q) by h: concrete(t = 0.5)")).train[0]?.paths;
    expect(paths?.map((p) => [p.variable, p.path, p.unbiased])).toEqual([
      ["z", "reparameterised", true],
      ["h", "relaxed", false],
    ]);
    const text = printExplanation(explained(model(40, "maximize ELBO(p, q)")));
    expect(text).toContain("gradients through draws");
    expect(text).toMatch(/h of q -> q\.dense2 +score function +unbiased/u);
    expect(text).toContain("2^40 states are too many to sum");
  });

  it("writes weights as factors", () => {
    const text = printExplanation(explained(model(40, "maximize WakePhi(p, q, k = 2) over q by fixed")));
    expect(text).toMatch(/\)\) \* \(log q\(/u);
    expect(text).not.toContain("mul");
  });

  it("says that a baseline moves whatever `over` names", () => {
    const net = "net c(x) = x |> dense(3) |> tanh |> dense(1) |> sum";
    const moves = explained(model(40, "maximize ELBO(p, q) over q by h: score(baseline = c(x))", net)).train[0]?.moves;
    expect(moves).toContain("c");
    expect(moves).not.toContain("p");
  });
});

describe("a family of two layers", () => {
  const layers = (by: string): readonly string[] => {
    const text = `model M {
  data x : real
  latent a : real, b : real
  param u : real[4]
  density p(x, a, b) { b ~ Normal(0, 1)   a ~ Normal(b, 1)   x ~ Normal(a, 1) }
  density q(a, b | x) { b ~ Normal(u[1] * x, exp(u[2]))   a ~ Normal(u[3] * b, exp(u[4])) }
  train { maximize IWAE(p, q, k = 2) by ${by} }
}`;
    return compile({ path: "m.gm", text }).diagnostics.map((d) => d.code);
  };
  it("takes no sample's derivative through one that `dreg` weighs twice", () => {
    expect(layers("a: reparam, b: dreg")).toEqual(["GM3804"]);
    expect(layers("a: dreg, b: reparam")).toEqual([]);
    expect(layers("dreg")).toEqual([]);
  });
});

describe("names", () => {
  it("of nets do not hide those of estimators", () => {
    const text = model(40, "maximize ELBO(p, q) by h: disarm", "net disarm(x) = x |> dense(3)").replace(
      "x |> dense(2), 1",
      "disarm(x)[1..2], 1",
    );
    const compiled = compile({ path: "m.gm", text });
    expect(compiled.print("ts")).toMatch(/export function disarmNet\(/u);
  });
});

describe("what is differentiated", () => {
  it.each([
    ["concrete", "the estimate itself; the gradient passes through h, relaxed, with a bias"],
    ["straight_through", "the estimate itself; the gradient passes straight through draws of h, with a bias"],
    ["fixed", "the estimate itself; no gradient passes through its samples"],
    ["disarm", "a surrogate with the value of the estimate, and the gradient of disarm through what is drawn"],
  ])("by %s", (by, wanted) => {
    const text = `model M {
      data x : binary[4]
      latent h : binary[30]
      density p(x, h) { h ~ Bernoulli(logits = zeros(30))  x ~ Bernoulli(logits = h |> dense(4)) }
      density q(h | x) { h ~ Bernoulli(logits = x |> dense(30)) }
      train { maximize ELBO(p, q) by ${by}  optimizer = sgd(0.1) }
    }`;
    const whole = explained(text);
    expect(whole.train[0]?.surrogate).toBe(wanted);
    expect(printExplanation(whole).includes("none  left out")).toBe(by === "fixed");
  });
});

describe("names of papers", () => {
  const names = latentEstimators.flatMap(({ also = {} }) => Object.entries(also));
  it.each(names)("%s is `by %s`", (name, written) => {
    const asked = (by: string): ReturnType<typeof compile>["diagnostics"] => {
      const net = "net c(x) = x |> dense(3) |> tanh |> dense(1) |> sum";
      const latent = written === "reparam" || written === "stl" ? "z" : "h";
      return compile({
        path: "m.gm",
        text: model(written === "enumerate" ? 4 : 40, `maximize ELBO(p, q) by ${latent}: ${by}`, by.includes("c(x)") ? net : ""),
      }).diagnostics;
    };
    expect(asked(name).map((d) => [d.code, ...d.help])).toEqual([["GM3505", `here it is \`by ${written}\``]]);
    expect(asked(written)).toEqual([]);
  });
});

describe("a bound of order 1", () => {
  it("is told to be the evidence bound", () => {
    const help = compile({ path: "m.gm", text: model(40, "maximize VR(p, q, alpha = 1, k = 3)") }).diagnostics.map((d) => [
      d.code,
      ...d.help,
    ]);
    expect(help).toEqual([["GM2018", expect.stringMatching(/^`VR`: .*alpha near 1 the evidence lower bound/u)]]);
  });
});

describe("what is legal", () => {
  const freeBits = (latent: string, dist: string, by: string): readonly string[] => {
    const text = `model M {
  data x : binary[4]
  latent z : ${latent}
  density p(x, z) { z ~ ${dist.replace(/\?\(\d+\)/u, "0")}   x ~ Bernoulli(logits = z |> dense(4)) }
  density q(z | x) { z ~ ${dist.replace("?", "x |> dense")} }
  train { maximize SampledFreeBits(p, q, floor = 1) by ${by} }
}`;
    return compile({ path: "m.gm", text }).diagnostics.flatMap((d) => [d.code, ...d.help]);
  };
  const listed = (help: readonly string[]): readonly string[] =>
    [
      ...(help.find((h) => h.startsWith("legal here: ")) ?? "")
        .split(";")
        .slice(0, 2)
        .join(";")
        .matchAll(/`(\w+)`/gu),
    ]
      .map((m) => m[1]!)
      .filter((n) => n !== "by");
  it.each([
    ["binary[2]", "Bernoulli(logits = ?(2))", ["concrete", "gumbel_straight_through", "straight_through"]],
    ["binary[20]", "Bernoulli(logits = ?(20))", ["concrete", "gumbel_straight_through", "straight_through"]],
    ["real[2]", "Normal(?(2), 1)", ["reparam"]],
  ])("%s under a function of the whole batch", (latent, dist, wanted) => {
    const by = (name: string): readonly string[] => freeBits(latent, dist, name);
    const legal = listed(by("score"));
    expect(legal).toEqual(wanted);
    for (const name of legal) expect(by(name)).toEqual([]);
  });
});
