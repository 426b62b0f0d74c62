/** Every code has a page and every page a code; pages have one form. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { registry } from "../../src/base/registry.js";
import { errorPages, root } from "./pages.js";

const codes = Object.keys(registry).sort();
const entry = (code: string): { readonly title: string } =>
  (registry as Readonly<Record<string, { readonly title: string }>>)[code] ?? { title: "?" };
const codeOf = (path: string): string => /GM\d{4}/.exec(path)?.[0] ?? path;

describe("error pages", () => {
  it("are those of the registry", () => {
    expect(errorPages.map((p) => codeOf(p.path))).toEqual(codes);
  });

  it("are for every code that the sources use", () => {
    const used = new Set<string>();
    for (const file of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts") || file.startsWith("base/codes")) continue;
      for (const match of readFileSync(join(root, "src", file), "utf8").matchAll(/"(GM\d{4})"/g)) used.add(match[1] ?? "");
    }
    expect(used.size).toBeGreaterThan(50);
    expect([...used].filter((code) => !codes.includes(code)).sort()).toEqual([]);
  });

  it("show what gmc prints where a golden case has it", () => {
    const golden = readdirSync(join(root, "test/golden/errors"), { recursive: true, encoding: "utf8" });
    const covered = new Set(golden.flatMap((path) => /(GM\d{4})[^/\\]*\.txt$/.exec(path)?.[1] ?? []));
    const shown = ({ path, text }: { readonly path: string; readonly text: string }): boolean =>
      /<!-- generated: (frame|golden GM\d{4}) -->/.test(text) && new RegExp(`^(error|warning)\\[${codeOf(path)}\\]`, "m").test(text);
    expect(errorPages.filter((p) => covered.has(codeOf(p.path)) && !shown(p)).map((p) => p.path)).toEqual([]);
  });

  it.each(errorPages.map((p) => p.path))("%s has the form", (path) => {
    const page = errorPages.find((p) => p.path === path);
    const code = codeOf(path);
    const text = page?.text ?? "";
    expect(text.split("\n")[0]).toBe(`# ${code}: ${entry(code).title}`);
    const sections = [...text.matchAll(/^## (.+)$/gm)].map((m) => m[1]);
    expect(sections).toEqual(["Wrong", "Right", "Why"]);
    for (const part of text.split(/^#+ .*$/gm).slice(1)) expect(part.trim()).not.toBe("");
  });
});
