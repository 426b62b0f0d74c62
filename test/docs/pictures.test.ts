/** Every kind of picture that a run writes stands in the table of its folder. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

it("names the pictures of a run folder", () => {
  const code = readFileSync("src/cli/run/pictures.ts", "utf8");
  const stems = [
    ...code.matchAll(/stem: (?:base|stemOf\()?[("`]?"?`?([a-z]+)/gu),
    ...code.matchAll(/stem: base, label \} = \{ stem: "([a-z]+)"/gu),
  ]
    .map((m) => m[1] ?? "")
    .filter((stem) => !["string", "d", "base", "filter"].includes(stem));
  expect(stems).toEqual(
    expect.arrayContaining(["samples", "strip", "turning", "interpolations", "translations", "chains", "loss", "density"]),
  );
  const page = readFileSync("docs/cli.md", "utf8");
  const folder = page.slice(page.indexOf("## The run folder"), page.indexOf("## Data:"));
  const paths = [...code.matchAll(/of \["([a-z]+)", "([a-z]+)"\] as const/gu)].flatMap((m) =>
    m.slice(1).map((path) => `interpolations-${path}`),
  );
  for (const stem of [...stems, ...paths]) expect([stem, new RegExp(`^\\|[^|]*\`${stem}[.-]`, "mu").test(folder)]).toEqual([stem, true]);
});
