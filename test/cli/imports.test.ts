/** Imports of a project, from whatever folder gmc is run: they follow the importing file and stay below the project's folder. */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gmcHere } from "../support/cli.js";

let folder = "";
const at = (...parts: readonly string[]): string => join(folder, ...parts);
const importing = (path: string): string => `import "${path}"
model M {
  data x : real[2]
  density p(x) { x ~ Normal(common(zeros(2)), 1) }
  train { maximize log p(x) }
}
`;

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gmc-imports-")));
  mkdirSync(at("project", "models", "sub"), { recursive: true });
  mkdirSync(at("elsewhere"));
  writeFileSync(at("project", "package.json"), "{}");
  for (const place of [[], ["project"], ["project", "models"]]) writeFileSync(at(...place, "common.gm"), "net common(x) = x |> dense(2)\n");
  symlinkSync(at("common.gm"), at("project", "models", "link.gm"));
  for (const [name, path] of Object.entries({
    near: "../common.gm",
    top: "../../common.gm",
    out: "../../../common.gm",
    link: "../link.gm",
  }))
    writeFileSync(at("project", "models", "sub", `${name}.gm`), importing(path));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([["project"], ["project/models"], ["project/models/sub"], ["elsewhere"], ["."]])("from %s", (place) => {
  const check = (name: string, absolute: boolean): ReturnType<typeof gmcHere> => {
    const path = at("project", "models", "sub", `${name}.gm`);
    return gmcHere(["check", absolute ? path : relative(at(place), path)], { cwd: at(place) });
  };

  it.each(["near", "top"])("a file above that lies in the project: %s", async (name) => {
    expect((await check(name, false)).stderr).toMatch(/gm: no errors\n$/);
    expect((await check(name, true)).stderr).toMatch(/gm: no errors\n$/);
  });

  it.each(["out", "link"])("a file outside of the project: %s", async (name) => {
    for (const absolute of [false, true]) {
      const { code, stderr } = await check(name, absolute);
      expect(code).toBe(1);
      expect([...stderr.matchAll(/GM\d{4}/g)].map(String)).toEqual(["GM2015"]);
      expect(stderr).toContain(`stays inside the project, which is ${absolute ? `\`${at("project")}\`` : shown(place)}`);
    }
  });
});

describe("what is there and no model", () => {
  const check = (name: string): ReturnType<typeof gmcHere> => gmcHere(["check", name], { cwd: at("odd") });
  /** Root may read everything. */
  const root = process.getuid?.() === 0;
  beforeAll(() => {
    mkdirSync(at("odd", "folder.gm"), { recursive: true });
    writeFileSync(at("odd", "bytes.gm"), Uint8Array.of(0xff, 0xfe, 0x00, 0x80));
    symlinkSync(at("odd", "loop.gm"), at("odd", "loop.gm"));
    writeFileSync(at("odd", "closed.gm"), "net common(x) = x |> dense(2)\n");
    chmodSync(at("odd", "closed.gm"), 0o000);
    for (const name of ["folder", "bytes", "closed"]) writeFileSync(at("odd", `of_${name}.gm`), importing(`${name}.gm`));
  });

  it.each([
    ["folder", "is a folder, expected a .gm file", "name its files: folder.gm/*.gm"],
    ["bytes", "is not UTF-8 text", "a model is a text file; save it as UTF-8"],
    ["loop", "is a link that leads back to itself", "name the file that the link was meant for"],
    ["closed", "no permission to read it", "check the permissions of the file and its folders"],
  ])("%s.gm: %s", async (name, problem, help) => {
    if (root && name === "closed") return;
    const { code, stderr } = await check(`${name}.gm`);
    expect(code).toBe(1);
    expect(stderr).toContain(`error[GM5303]: ${name}.gm: ${problem}\n  = help: ${help}\n`);
    if (name === "loop") return;
    const imported = await check(`of_${name}.gm`);
    expect(imported.code).toBe(1);
    expect(imported.stderr).toContain(`error[GM2014]: \`${name}.gm\` cannot be read: ${problem}\n --> of_${name}.gm:1:1\n`);
    expect(imported.stderr).toContain(`= help: ${help}\n`);
  });
});

function shown(place: string): string {
  const path = relative(at(place), at("project"));
  return path === "" ? "the current folder" : `\`${path}\``;
}
