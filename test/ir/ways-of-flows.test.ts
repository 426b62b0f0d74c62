/** What errors of flows tell to do: each way leads on, and not into another error. */
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compile.js";

const found = (text: string): readonly string[] =>
  compile({ path: "m.gm", text }, {}).diagnostics.flatMap((d) => (d.severity === "error" ? [d.code, ...d.help] : []));

describe("a latent beside what a flow makes of it", () => {
  const model = (train: string): string => `model M(D = 4) {
    data x : real[D]
    latent z : real[D], u : real[D]
    flow f on real[D] = affine
    flow g on real[D] = affine
    density p(x, u, z) { z ~ Normal(0, 1)  u = f(z)  x = g(u) }
    train { ${train} }
  }`;
  test.each([
    ["log p(x, u)", "log p(x)"],
    ["log p(x, z)", "log p(x)"],
    ["log p(x, u, z)", "log p(x)"],
    ["E[z ~ Normal(0, 1)](log p(x, z))", undefined],
  ])("%s", (asked, way) => {
    const [code, help] = found(model(`maximize ${asked}`));
    if (way === undefined) return expect(code).not.toBe("GM3033");
    expect(code).toBe("GM3702");
    expect(help).toContain(`\`${way}\``);
    expect(found(model(`maximize ${way}`))).toEqual([]);
  });
});

describe("a flow whose Jacobian has no structure, with a layer", () => {
  const model = (net: string, flow: string, train: string): string => `model M {
    ${train.includes("E[") ? "latent x : real[3], z : real[3]" : "data x : real[3]  latent z : real[3]"}
    ${net}
    flow f on real[3] { ${flow} }
    density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
    train { ${train} }
  }`;
  const density = "maximize log p(x)";
  const fit = "minimize E[x ~ p(x)](log p(x) + sum(x^2))";
  const layer = "forward(z) = z * exp(z |> dense(3))";
  test("names the dense Jacobian, and the net that an inverse asks for", () => {
    const [code, ...help] = found(model("", layer, density));
    expect(code).toBe("GM3707");
    expect(help.join("\n")).toMatch(/`jacobian = dense`[^]*`inverse`[^]*`dense` is to be a net of the model/u);
    expect(found(model("", `${layer}  jacobian = dense`, fit))).toEqual([]);
    const inverse = "inverse(x) = x * exp(-s(x))  jacobian = dense";
    expect(found(model("net s(v) = v |> dense(3)", `forward(z) = z * exp(s(z))  ${inverse}`, density))).toEqual([]);
    expect(found(model("", `${layer}  inverse(x) = x  jacobian = dense`, density))[0]).toBe("GM2083");
  });
});

describe("a flow whose values lie in a part of what it is declared onto", () => {
  const base = { real: "Normal(0, 1)", positive: "Gamma(2, 1)", unit: "Uniform(0, 1)" } as const;
  type Domain = keyof typeof base;
  const model = (from: Domain, onto: Domain, forward: string): string => `model M(D = 3) {
    latent z : ${from}[D], x : ${onto}[D]
    param a : real[D] = 0
    flow f on ${from}[D] -> ${onto}[D] { forward(z) = ${forward} }
    density p(x, z) { z ~ ${base[from]}  x = f(z) }
    train { minimize E[x ~ p(x)](log p(x)) }
  }`;
  const all = (text: string): readonly string[] =>
    compile({ path: "m.gm", text }, {}).diagnostics.flatMap((d) => (d.code === "GM4013" || d.code === "GM2048" ? [] : [d.code, ...d.help]));
  const domains: readonly Domain[] = ["real", "positive", "unit"];
  test.each(domains.flatMap((from) => domains.map((onto) => [from, onto] as const)))(
    "from %s onto %s is told values that do",
    (from, onto) => {
      // between 2 and 3 of the real and positive numbers, a part of the unit interval
      const inside = { real: "sigmoid(z)", positive: "1 - exp(-z)", unit: "z" }[from];
      const [code, ...help] = all(model(from, onto, onto === "unit" ? `0.05 + 0.9 * (${inside})` : `2 + (${inside})`));
      expect(code).toBe("GM3710");
      const such = new RegExp(`reach all of \`${onto}\`, such as those of \`([^\`]+)\``, "u").exec(help.join("\n"));
      expect(all(model(from, onto, such![1]!)).filter((d) => d.startsWith("GM37"))).toEqual([]);
      // and of data that lie there
      const moved = /let `([^`]+)` be the data, `(\w+)`, and end the flow .*values such as those of `([^`]+)`/u.exec(help.join("\n"));
      expect(moved![1]).toBe(onto === "unit" ? "(x - 0.05) / 0.9" : "x - 2");
      expect(moved![2]).toBe("unit");
      expect(all(model(from, moved![2] as Domain, moved![3]!)).filter((d) => d.startsWith("GM37"))).toEqual([]);
    },
  );
  test.each([
    ["real", "positive", "exp(exp(a) * z) + 1", "x - 1", "positive"],
    ["positive", "positive", "z + 1", "x - 1", "positive"],
    ["real", "real", "1 - exp(z)", "1 - x", "positive"],
    ["real", "real", "tanh(z)", "(x + 1) / 2", "unit"],
    ["real", "real", "-exp(z)", "-x", "positive"],
  ] as const)("from %s onto %s, %s: not what is written, and the data that fit", (from, onto, forward, data, domain) => {
    const [code, ...help] = all(model(from, onto, forward));
    expect(code).toBe("GM3710");
    expect(help.join("\n")).not.toContain("declare it onto");
    expect(help[0]).toContain(`let \`${data}\` be the data, \`${domain}\``);
  });
  test("of all of another domain, is told that", () => {
    const [code, help] = all(model("real", "real", "exp(z)"));
    expect([code, help]).toEqual(["GM3710", "declare it onto `positive`, as are then the data: `-> positive[D]`"]);
    expect(all(model("real", "positive", "exp(z)")).filter((d) => d.startsWith("GM37"))).toEqual([]);
  });
  test("the logit of 0.05 + 0.9 x is told the dequantisation that has it, and that compiles", () => {
    const squeezed = (flow: string): string => `model M(D = 4) {
      data x : ${flow.includes("dequantize") ? "byte" : "unit"}[D]
      latent z : real[D]
      flow f on real[D] ${flow}
      density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
      train { maximize log p(x) }
    }`;
    const told = all(
      squeezed("-> unit[D] { forward(z) = (sigmoid(z) - 0.05) / 0.9  inverse(x) = log(0.05 + 0.9 * x) - log(0.95 - 0.9 * x) }"),
    );
    expect(told).toEqual(expect.arrayContaining(["GM3712", "GM3710"]));
    expect(told.join("\n")).toContain("`… |> sigmoid |> dequantize(alpha = 0.05)`");
    expect(found(squeezed("-> byte[D] = affine |> sigmoid |> dequantize(alpha = 0.05)"))).toEqual([]);
    expect(found(squeezed("-> byte[D] = affine |> sigmoid |> dequantize(alpha = 0.5)"))[0]).toBe("GM2031");
  });
});

describe("a chain that ends in another domain than its flow is declared onto", () => {
  const model = (flow: string): string => `model M(D = 3) {
    data x : positive[D]
    latent z : real[D]
    flow f on real[D] -> positive[D] = ${flow}
    density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
    train { maximize log p(x) }
  }`;
  test("is told the bijections that lead there in place of its last", () => {
    const [code, help, declared] = found(model("affine |> sigmoid"));
    expect(code).toBe("GM2075");
    expect(help).toBe("`softplus` or `exp` in place of `sigmoid` ends in positive");
    expect(declared).toBe("`on real[D] -> unit[D]` declares where it ends, of a variable that is `unit`");
    for (const last of ["softplus", "exp"]) expect(found(model(`affine |> ${last}`))).toEqual([]);
  });
});

test("a direction of several statements is told the net that has them, and that keeps the structure", () => {
  const model = (net: string, inverse: string): string => `model M {
    data x : real[3]
    latent z : real[3]
    param w : real[2] = 0.5
    ${net}
    flow f on real[3] {
      forward(z) = stack(z[1], z[2] + w[1] * tanh(z[1]), z[3] + w[2] * z[1] * z[2])
      inverse${inverse}
    }
    density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
    train { maximize log p(x) }
  }`;
  const body = "{ a = x[1]  b = x[2] - w[1] * tanh(a)  return stack(a, b, x[3] - w[2] * a * b) }";
  const [code, help] = found(model("", `(x) ${body}`));
  expect([code, help]).toEqual([
    "GM1001",
    "names are bound in a net of the model, `net back(x) { a = x[1]  return … }`, which is seen through: `inverse(x) = back(x)`",
  ]);
  expect(found(model(`net back(x) ${body}`, "(x) = back(x)"))).toEqual([]);
  expect(
    found(
      model(`net there(z) { a = z[1]  return stack(a, z[2] + a, z[3] + a) }`, "(x) = x").replace(
        /forward\(z\) = .*/u,
        "forward(z) = there(z)",
      ),
    ),
  ).toEqual([]);
});
