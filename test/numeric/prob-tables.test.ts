/** What the compiler believes of distributions and divergences, against the runtime. */
import { describe, expect, test } from "vitest";
import { CLOSED_FORM_KL, closedFormKl } from "../../src/ir/derive/kl.js";
import { distributions } from "../../src/ir/distributions.js";
import * as gmc from "../../src/runtime/index.js";
import type { Distribution } from "../../src/runtime/index.js";

const runtime = gmc as unknown as Readonly<Record<string, unknown>>;

describe("distributions", () => {
  for (const [name, entry] of distributions) {
    if (entry.mixes === true) {
      test(`${name} is a function of the distribution that it mixes`, () => {
        expect(typeof runtime[entry.runtime]).toBe("function");
      });
      continue;
    }
    test(name, () => {
      const own = runtime[entry.runtime] as Distribution<never>;
      expect(own, `gmc/runtime exports ${entry.runtime}`).toBeDefined();
      expect(own.name).toBe(name);
      expect(own.eventRank).toBe(entry.eventRank);
      expect(own.reparameterised).toBe(entry.reparameterised);
      if (entry.hasMean && entry.name !== "Categorical") expect(own.mean).toBeDefined();
      const kinds = own.parameters.map((record) =>
        Object.fromEntries(Object.entries(record).flatMap(([p, info]) => (info ? [[p, `${info.domain} ${info.rank}`]] : []))),
      );
      for (const list of entry.parameters) {
        expect(kinds).toContainEqual(Object.fromEntries(list.map((p) => [p.runtime ?? p.name, `${p.domain} ${p.rank}`])));
      }
    });
  }
});

test("closed-form divergences exist under the names that the compiler emits", () => {
  const pairs = gmc.closedFormKL as unknown as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  for (const [q, p] of CLOSED_FORM_KL) {
    const fn = closedFormKl(q, p);
    expect(fn, `${q}, ${p}`).toBeDefined();
    expect(typeof runtime[fn!], fn).toBe("function");
    expect(runtime[fn!], fn).toBe(pairs[q]?.[p]);
  }
  // of what the runtime has, Uniform alone is left to samples: outside of p's interval its KL is infinite
  const known = Object.entries(pairs).flatMap(([q, ps]) => Object.keys(ps).filter((p) => closedFormKl(q, p) === undefined));
  expect(known).toEqual(["Uniform"]);
});
