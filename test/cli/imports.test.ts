/** Imports of a project, from whatever folder gmc is run: they follow the importing file and stay below the project's folder. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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

function shown(place: string): string {
  const path = relative(at(place), at("project"));
  return path === "" ? "the current folder" : `\`${path}\``;
}
