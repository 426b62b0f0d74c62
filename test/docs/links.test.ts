/** Links between pages lead somewhere; commands and options that pages mention exist. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { anchorsOf, blocksOf, linksOf, pages, prose, root } from "./pages.js";
import { tables } from "./tables.js";

describe("links", () => {
  it.each(pages.map((p) => p.path))("%s", (path) => {
    const page = pages.find((p) => p.path === path);
    if (!page) throw new Error(path);
    const dead: string[] = [];
    for (const { target, file, anchor } of linksOf(page)) {
      if (file === undefined) continue;
      if (!existsSync(join(root, file))) dead.push(`${target}: there is no ${file}`);
      else if (anchor !== undefined && statSync(join(root, file)).isFile()) {
        const to = pages.find((p) => p.path === file);
        if (to && !anchorsOf(to).has(anchor)) dead.push(`${target}: ${file} has no heading #${anchor}`);
      }
    }
    expect(dead).toEqual([]);
  });

  it.each(pages.map((p) => p.path))("%s names files that exist", (path) => {
    const page = pages.find((p) => p.path === path);
    const named = [
      ...prose(page ?? { path, text: "" }).matchAll(/`((?:src|test|scripts|grammar|std|examples|bench|docs|\.ci)\/[\w./-]*)`/g),
    ].map((m) => m[1] ?? "");
    const exact = named.filter((name) => !/NAME|GMx/.test(name));
    expect(exact.filter((name) => !existsSync(join(root, name)))).toEqual([]);
  });

  it("reach every page from the README or the index of the documentation", () => {
    const reached = new Set<string>();
    const visit = (path: string): void => {
      const page = pages.find((p) => p.path === path);
      if (!page || reached.has(path)) return;
      reached.add(path);
      for (const { file } of linksOf(page))
        if (file !== undefined) visit(existsSync(join(root, file, "README.md")) ? `${file.replace(/\/$/, "")}/README.md` : file);
    };
    visit("README.md");
    expect(pages.map((p) => p.path).filter((path) => !reached.has(path))).toEqual([]);
  });
});

describe("the command line, as pages mention it", async () => {
  const { help } = await tables;
  const commands = new Set(Object.keys(help).filter((name) => name !== "gmc"));
  const options = new Set([
    "--help",
    "--version",
    ...Object.values(help).flatMap((text) => [...text.matchAll(/--[a-z][a-z-]*/g)].map((m) => m[0])),
  ]);

  it("finds commands and options in the help", () => {
    expect(commands.has("train") && commands.has("compile")).toBe(true);
    expect(options.has("--set") && options.has("--seed")).toBe(true);
  });

  it.each(pages.filter((p) => !p.path.startsWith("docs/errors/README")).map((p) => p.path))("%s", (path) => {
    const page = pages.find((p) => p.path === path);
    if (!page) throw new Error(path);
    const inline = [...prose(page).matchAll(/`([^`\n]+)`/g)].map((m) => m[1] ?? "");
    const shell = blocksOf(page).filter((b) => /^(sh|bash|console|text)?$/.test(b.info));
    const lines = [...inline, ...shell.flatMap((b) => b.text.split("\n"))];
    const wrong: string[] = [];
    for (const line of lines) {
      const call = /^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:npx )?gmc ([a-z][a-z-]*)(.*)$/.exec(line);
      if (!call) continue;
      const name = call[1] ?? "";
      const used = [...(call[2] ?? "").split(/\s#|\s{2,}/)[0]!.matchAll(/(?<=\s)--[a-z][a-z-]*/g)].map((m) => m[0]);
      if (!commands.has(name) && name !== "help") wrong.push(`gmc ${name}: no such command (${line.trim()})`);
      else
        for (const option of used)
          if (!`${help[name] ?? ""} --help`.includes(option)) wrong.push(`gmc ${name} has no option ${option} (${line.trim()})`);
    }
    for (const code of inline) if (/^--[a-z][a-z-]*$/.test(code) && !options.has(code)) wrong.push(`no command has an option ${code}`);
    expect(wrong).toEqual([]);
  });
});
