/** `mapChildren` against `childrenOf`: the same children, in the same order, in expressions of every kind that the examples have. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import type { Expr } from "../../src/ir/types.js";
import { childrenOf, mapChildren, walkExpr } from "../../src/ir/walk.js";

it("maps the children that childrenOf names, and nothing else", () => {
  const seen = new Set<string>();
  for (const file of readdirSync("examples").filter((f) => /^(vae|iwae|wgan_gp|cgan|kmeans|maf|boltzmann|aae|hvae)\.gm$/u.test(f))) {
    const { derived } = compile({ path: file, text: readFileSync(`examples/${file}`, "utf8") });
    const check = (e: Expr): void => {
      seen.add(e.kind);
      const met: Expr[] = [];
      const same = mapChildren(e, (child) => (met.push(child), child));
      expect(met).toEqual(childrenOf(e));
      expect(same).toEqual(e);
    };
    for (const p of derived?.phases ?? []) for (const u of p.phase.updates) walkExpr(u.value, check);
    for (const net of derived?.model.nets ?? []) [...net.body.map((b) => b.value), net.result].forEach((e) => walkExpr(e, check));
  }
  expect([...seen]).toEqual(
    expect.arrayContaining(["builtin", "layer", "netCall", "expectation", "logDensity", "grad", "record", "optimum"]),
  );
});
