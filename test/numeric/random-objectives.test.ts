/**
 * Random objectives over random models of finite latents: what training reports and the gradient that it takes, against the sum over all states, listed by an
 * evaluation of its own, and its central differences. `FUZZ_SEED=7 FUZZ_SECONDS=600 npx vitest run test/numeric/random-objectives.test.ts` looks for more.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { randomCase } from "../support/objective-arbitrary.js";
import { checked, measured, type Outcome } from "../support/objective-check.js";
import { smallest } from "../support/objective-shrink.js";
import { type Case, modelText } from "../support/objective-tree.js";

const seconds = Number(process.env["FUZZ_SECONDS"] ?? 8);
/** Seconds that a failing case is made smaller for. */
const SHRINKING = 60;

it("equal the sum over all states", { timeout: (seconds + 3 * SHRINKING) * 1000 }, async () => {
  const kinds = new Map<string, number>();
  const wrong: string[] = [];
  const end = performance.now() + seconds * 1000;
  let made = 0;
  for (const c of fc.sample(randomCase, Number(process.env["FUZZ_RUNS"] ?? (seconds > 8 ? 5_000 : 40)))) {
    if (performance.now() > end || wrong.length >= 2) break;
    // one in eight as it is evaluated
    const check = ++made % 8 === 0 ? measured : checked;
    const outcome = await check(c);
    for (const kind of kindsOf(outcome)) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (outcome.kind === "wrong") wrong.push(await reduced(c, check, outcome));
  }
  const table = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, n]) => `${String(n).padStart(6)} ${kind}`);
  console.log(table.join("\n"));
  expect(wrong.join("\n\n")).toBe("");
  // of a few cases, where the machine is busy, no share is told
  if (made >= 20) expect(kinds.get("diagnosed") ?? 0, "at least half of what is made should compile").toBeLessThanOrEqual(made / 2);
});

function kindsOf(outcome: Outcome): ReadonlySet<string> {
  switch (outcome.kind) {
    case "diagnosed":
      return new Set([outcome.kind, ...outcome.codes]);
    case "exact":
    case "sampled":
      return new Set([outcome.kind, ...outcome.estimators.map((e) => `${outcome.kind}: ${e}`)]);
    case "skipped":
      return new Set([outcome.kind, `skipped: ${outcome.why}`]);
    case "wrong":
      return new Set([outcome.kind]);
  }
}

/** The smallest case that fails alike: with the same words, whatever the numbers are. */
async function reduced(c: Case, check: (c: Case) => Promise<Outcome>, { why }: { readonly why: string }): Promise<string> {
  const alike = (text: string): string => text.replace(/[^A-Za-z ]/gu, "").slice(0, 12);
  const fails = async (d: Case): Promise<boolean> => {
    const outcome = await check(d);
    return outcome.kind === "wrong" && alike(outcome.why) === alike(why);
  };
  const least = await smallest(c, fails, SHRINKING);
  const outcome = await check(least);
  return `${outcome.kind === "wrong" ? outcome.why : why}\n${modelText(least)}`;
}
