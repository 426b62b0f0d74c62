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

describe("a step that moves places, where it does not fit", () => {
  const model = (shape: string, chain: string, from = shape): string => `model M {
    data x : real[${shape}]
    latent z : real[${from}]
    flow f = ${chain}
    density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
    train { maximize log p(x) }
  }`;
  const flow = "actnorm";
  test.each([
    ["an order of axes", "6, 6, 3", `permute([2, 1, 3, 4]) |> ${flow}`, "`permute([3, 2, 1])`", "6, 6, 3", `permute([3, 2, 1]) |> ${flow}`],
    ["an order of too few", "12", `permute([2, 1]) |> ${flow}`, '`permute("reverse")`', "12", `permute("reverse") |> ${flow}`],
    ["three channels", "6, 6, 3", `${flow} |> squeeze`, "[3, 3, 12] before it", "3, 3, 12", `${flow} |> squeeze`],
    ["odd sides", "5, 5, 1", `${flow} |> squeeze`, "[1, 1, 25] before `squeeze(5)`", "1, 1, 25", `${flow} |> squeeze(5)`],
    ["nine channels", "7, 7, 9", `${flow} |> squeeze`, "`squeeze(3)`", "7, 7, 9", `${flow} |> squeeze(3)`],
    ["channels that do not halve", "8, 8, 3", `multi_scale(${flow})`, "as [4, 4, 12]", "4, 4, 12", `multi_scale(${flow}) |> squeeze`],
    ["sides that do not halve", "9, 9, 2", `multi_scale(${flow})`, "`factor = 3`", "9, 9, 2", `multi_scale(${flow}, factor = 3)`],
    ["an image without channels", "8, 8", `${flow} |> squeeze`, "`real[8, 8, 1]`", "8, 8, 1", flow],
    ["a vector", "8", `${flow} |> squeeze`, "`permute`", "8", `${flow} |> permute`],
  ])("%s", (_name, shape, chain, way, from, right) => {
    const [code, ...help] = found(model(shape, chain));
    expect(code).toMatch(/^GM203[01]$/u);
    expect(help.join("\n")).toContain(way);
    const to = right.endsWith("squeeze(3)") ? "21, 21, 1" : from === "8, 8, 1" ? "8, 8, 1" : shape;
    expect(found(model(to, right, from))).toEqual([]);
  });
});

test("`jacobian = dense` is offered where it works: up to 32 entries, and of a flow that calls another too", () => {
  const model = (size: number, forward: string, dense: string): string => `model M {
    latent x : real[${size}], z : real[${size}]
    param a : positive[${size}] = 1, b : real[${size}] = 0
    flow inner on real[${size}] { forward(z) = z * a  inverse(x) = x / a }
    flow f on real[${size}] { forward(z) = ${forward} ${dense} }
    density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
    train { minimize E[x ~ p(x)](log p(x) + sum(x^2)) }
  }`;
  for (const forward of ["inner(z) + b", "a * z * exp(z |> dense(D)) + b"])
    for (const size of [4, 32, 33]) {
      const [code, ...help] = found(model(size, forward.replace("D", String(size)), ""));
      expect(code).toBe("GM3707");
      expect(help.join("\n").includes("`jacobian = dense`")).toBe(size <= 32);
      if (size <= 32) expect(found(model(size, forward.replace("D", String(size)), "jacobian = dense"))).toEqual([]);
    }
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
    ["real", "real", "z - tanh(z) - z", "(x + 1) / 2", "unit"],
    ["real", "real", "z + tanh(z) - z", "(x + 1) / 2", "unit"],
    ["real", "real", "z - (z - tanh(z))", "(x + 1) / 2", "unit"],
    ["real", "real", "3 + 2 * (z + exp(z)) - z - z / 2 - 0.5 * z", "x - 3", "positive"],
  ] as const)("from %s onto %s, %s: not what is written, and the data that fit", (from, onto, forward, data, domain) => {
    const [code, ...help] = all(model(from, onto, forward));
    expect(code).toBe("GM3710");
    expect(help.join("\n")).not.toContain("declare it onto");
    expect(help[0]).toContain(`let \`${data}\` be the data, \`${domain}\``);
  });
  test.each([
    "z + tanh(z) - 0.5 * z",
    "a + z - a",
    "exp(z) - exp(-z) - tanh(z) + tanh(z)",
    "2 * z - tanh(z) - z + 1",
    "z + a - tanh(a) - a",
  ])("%s reaches all of the real numbers", (forward) => {
    expect(all(model("real", "real", forward))).not.toContain("GM3710");
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
    expect(found(squeezed("-> byte[D] = affine |> sigmoid |> dequantize(alpha = 0.5)"))[0]).toBe("GM2018");
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

describe("arguments of bijections", () => {
  const model = (step: string): string => `model M {
    data x : ${step.includes("dequantize") ? "byte" : "real"}[${step.includes("squeeze") ? "8, 8, 1" : "4"}]
    latent z : real[${step.includes("squeeze") ? "4, 4, 4" : "4"}]
    flow f(z) = affine |> ${step}
    density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
    train { maximize log p(x) }
  }`;
  // what is wrong, what says so, and what then compiles
  test.each([
    ["spline_coupling(mlp([8]), bound = 1e9)", "GM2018", undefined, "spline_coupling(mlp([8]), bound = 1000)"],
    ["spline_coupling(mlp([8]), bins = 0)", "GM2018", undefined, "spline_coupling(mlp([8]), bins = 1)"],
    ["squeeze(1)", "GM2018", undefined, "squeeze(2)"],
    ["sigmoid |> dequantize(levels = 1)", "GM2018", undefined, "sigmoid |> dequantize(levels = 2)"],
    ["sigmoid |> dequantize(alpha = 0.5)", "GM2018", undefined, "sigmoid |> dequantize(alpha = 0.49)"],
    ["sigmoid |> dequantize(32)", "GM2082", "`levels = …`", "sigmoid |> dequantize(levels = 32)"],
    ["coupling(mlp([8]), scale = exp)", "GM2018", '`"exp"`', 'coupling(mlp([8]), scale = "exp")'],
    ["coupling(3)", "GM2006", "`mlp([64])`", "coupling(mlp([64]))"],
    ["masked_autoregressive(3)", "GM2006", "`made_values([100])`", "masked_autoregressive(made_values([100]))"],
    ["coupling(coupling(mlp([8])))", "GM2029", "`mlp([64])`", "coupling(mlp([64]))"],
    ["coupling(net = mlp([8]))", "GM1013", "leave `net =` out", "coupling(mlp([8]))"],
  ])("%s", (wrong, code, way, right) => {
    const [first, ...help] = found(model(wrong));
    expect(first).toBe(code);
    if (way !== undefined) expect(help.join("\n")).toContain(way);
    expect(found(model(right))).toEqual([]);
  });
  test("the least number that a size may be is one that fits", () => {
    const text = (step: string): string => compile({ path: "m.gm", text: model(step) }, {}).diagnostics[0]?.message ?? "";
    expect(text("squeeze(0)")).toContain("at least 2");
    expect(text("sigmoid |> dequantize(levels = 0)")).toContain("from 2 to 256");
    expect(text("sylvester(5)")).toContain("at most the number of entries, 4");
    expect(found(model("sylvester(5)"))).toContain("`sylvester(4)`");
    expect(found(model("sylvester(4)"))[0]).toBe("GM3701");
  });
});

describe("a flow with conditions as a step", () => {
  const model = (chain: string, header = "z | e"): string => `net s(t, e) = concat(t, e) |> mlp([8])
  model M {
    data x : real[4], y : real[2]
    latent z : real[4]
    flow g(z | e) on real[4] = coupling(s(e)) |> reverse
    flow f(${header}) = affine |> ${chain}
    density p(x, z | y) { z ~ Normal(0, 1)  x = f(${header.replace("e", "y")}) }
    train { maximize log p(x | y) }
  }`;
  test.each([
    ["g", "GM2077"],
    ["g(e)", "GM2025"],
    ["g(z | e)", "GM2081"],
  ])("%s is told how it is written, and that compiles", (step, code) => {
    const [first, ...help] = found(model(step));
    expect(first).toBe(code);
    expect(help.join("\n")).toMatch(/[` ]g\(\| e\)`/u);
    expect(found(model("g(| e)"))).toEqual([]);
  });
  test("is told the header that hands its conditions on", () => {
    expect(found(model("g", "z"))).toEqual(["GM2077", "write `g(| e)`", "what `f` hands on comes through its own header: `flow f(z | e)`"]);
  });
  test("of a value that is piped, too", () => {
    const piped = (value: string): string => model("affine").replace("f(z | y)", value).replace("f(z | e)", "f(z)");
    const [code, help] = found(piped("z |> f |> g"));
    expect([code, help]).toEqual(["GM2077", "write `g(| e)`"]);
    expect(found(piped("z |> f |> g(| y)"))).toEqual([]);
  });
});
