// Embeds std/*.gm in src/ir/std.generated.ts, so that the compiler has its library in a browser too.
// `--check` exits 1 where the generated file is stale.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const target = new URL("../src/ir/std.generated.ts", import.meta.url);
const folder = new URL("../std/", import.meta.url);

/** A string as Prettier writes it: in the quotes that need fewer escapes. */
function literal(line) {
  const plain = JSON.stringify(line);
  const count = (sign) => line.split(sign).length - 1;
  if (count('"') <= count("'")) return plain;
  return `'${plain.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

const names = readdirSync(folder)
  .filter((name) => name.endsWith(".gm"))
  .sort();
const entries = names.map((name) => {
  const lines = readFileSync(new URL(name, folder), "utf8").replaceAll("\r\n", "\n").split("\n");
  return `  {\n    path: ${JSON.stringify(`std/${name}`)},\n    text: [\n${lines.map((line) => `      ${literal(line)},\n`).join("")}    ].join("\\n"),\n  },\n`;
});
const text = `/** The standard library, embedded from std/*.gm by scripts/build-std.mjs. Do not edit. */
import type { SourceFile } from "../base/source.js";

export const stdSources: readonly SourceFile[] = [
${entries.join("")}];
`;

if (process.argv.includes("--check")) {
  const now = readFileSync(target, "utf8");
  if (now !== text) {
    console.error("src/ir/std.generated.ts is stale: run `node scripts/build-std.mjs`");
    process.exit(1);
  }
} else writeFileSync(target, text);
