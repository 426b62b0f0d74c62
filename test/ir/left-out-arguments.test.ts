/** Arguments of a distribution that are left out are those of the table, written into the model. */
import { expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { distributions } from "../../src/ir/distributions.js";

/** Values of parameters without a default. */
const needed: Readonly<Record<string, string>> = { df: "3", concentration: "2", rate: "1" };

const cases = [...distributions.values()].flatMap((entry) => {
  const [list = []] = entry.parameters;
  if (!list.some((p) => p.fallback !== undefined) || entry.mixes || !list.every((p) => p.rank === 0)) return [];
  const [domain] = entry.domains;
  const written = (all: boolean): string =>
    list.flatMap((p) => (p.fallback === undefined ? [needed[p.name] ?? "1"] : all ? [`${p.fallback}`] : [])).join(", ");
  return domain === undefined ? [] : [[entry.name, domain, written(false), written(true)] as const];
});

/** Of the model, without what tells one text from another. */
function generated(domain: string, draw: string): string {
  const text = `model M { latent z : ${domain}[3] density p(z) { z ~ ${draw} } objective o = E[z ~ p(z)](log p(z)) evaluate { o = o } }`;
  const compiled = compile({ path: "m.gm", text });
  if (!compiled.derived) throw new Error(compiled.diagnostics.map((d) => d.message).join("\n"));
  return compiled
    .print("js")
    .split("\n")
    .filter((line) => !/sha256/u.test(line))
    .join("\n");
}

it("stand for many distributions", () => {
  expect(cases.length).toBeGreaterThan(8);
});

it.each(cases)("%s of %s: (%s) is (%s)", (name, domain, short, whole) => {
  expect(generated(domain, `${name}(${short})`)).toBe(generated(domain, `${name}(${whole})`));
});
