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
