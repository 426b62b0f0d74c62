/** Constants and variables in any order, and the words for a name that is used too soon. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elaborateText } from "./support.js";

const declarations = [
  "const F = E + 1",
  "const E = size(x) * 2",
  "data x : real[K], y : real[size(x)]",
  "const K = L[1]",
  "const L = [H, H + 1]",
  "param w : real[F] = E",
  "latent h[l in 1..length(L)] : binary[L[l]]",
];

describe("declarations", () => {
  it("mean the same in any order", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(declarations, { minLength: declarations.length }), (order) => {
        const { ir, text } = elaborateText(
          `const G = H0 + 1\nconst H0 = 1\nmodel M(H = G) {\n${order.join("\n")}\ndensity p(x) { x ~ Normal(0, 1) }\n}`,
        );
        expect(ir, text).toBeDefined();
        const sizes = [...(ir?.variables ?? [])].map(([name, v]) => `${name} ${v.domain.shape.map((d) => d.size).join()}`);
        expect(sizes.sort()).toEqual(["h[1] 2", "h[2] 3", "x 2", "y 2"]);
        expect(ir?.params.map((p) => [p.domain.shape[0]?.size, p.init])).toEqual([[5, { kind: "constant", value: 4 }]]);
        expect(ir?.streams).toEqual([["x", "y"]]);
      }),
      { numRuns: 60 },
    );
  });

  it("may be a long chain", () => {
    const chain = Array.from({ length: 20_000 }, (_, i) => `const c${i} = c${i + 1} + 1`).join("\n");
    const { ir, text } = elaborateText(
      `${chain}\nconst c20000 = 1\nmodel M(N = c0) {\ndata x : real[N]\ndensity p(x) { x ~ Normal(0, 1) }\n}`,
    );
    expect(text).toBe("");
    expect(ir?.hyper).toEqual([{ name: "N", value: 20_001 }]);
  });

  it("do not break on names that are taken", () => {
    expect(elaborateText("model M(H = 3) {\n const H = H + 1\n data x : real[H]\n density p(x) { x ~ Normal(0, 1) }\n}").codes).toEqual([
      "GM2002",
    ]);
  });
});

describe("a name that is used too soon", () => {
  const inBody = (body: string): readonly string[] =>
    elaborateText(
      `model M(H = 3) {\n data x : real[H]\n param w : real[H]\n density p(x) {\n${body}\n}\n objective o = log p(x)\n}`,
    ).diagnostics.list.map(
      (d) =>
        `${d.code} ${d.message}; ${d.labels
          .slice(1)
          .map((l) => l.text)
          .join()}; ${d.help.join()}`,
    );

  it.each([
    ["m = e + 1\n e = w\n x ~ Normal(m, 1)", "`e` is used before it is defined", "move the one that defines `e` above"],
    ["m = e.loc\n e = (loc = w, scale = 1)\n x ~ Normal(m, 1)", "`e` is used before it is defined", "move the one that defines `e` above"],
    ["m = h[1] + 1\n for l in 1..2 { h[l] = w }\n x ~ Normal(m, 1)", "`h` is used before it is defined", "above this one"],
  ])("is told with its place: %s", (body, message, help) => {
    const [found, ...more] = inBody(body);
    expect(more).toEqual([]);
    expect(found).toContain(`GM2001 ${message}; \`${message.slice(1, 2)}\` is defined here`);
    expect(found).toContain(help);
  });

  it("is unknown where its own statement uses it, and no number where it is wanted as a size", () => {
    expect(inBody("m = m + 1\n x ~ Normal(m, 1)")).toEqual([expect.stringContaining("there is no name called `m` here") as string]);
    const [size, ...more] = inBody("m = w |> dense(n)\n n = 3\n x ~ Normal(m, 1)");
    expect(size).toContain("GM2017");
    expect(more).toEqual([]);
  });
});
