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
    ["three channels", "6, 6, 3", `${flow} |> squeeze`, "a base of [3, 3, 12]", "3, 3, 12", `${flow} |> squeeze`],
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
