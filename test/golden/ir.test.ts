/** The model IR of every example, as text. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { printIr } from "../../src/ir/print.js";
import { elaborateText } from "../ir/support.js";
import { expectGolden } from "../support/golden.js";

const names = readdirSync("examples").filter((name) => name.endsWith(".gm"));

test.each(names)("%s", (name) => {
  const { ir, text } = elaborateText(readFileSync(`examples/${name}`, "utf8"), { path: name });
  expect(text).toBe("");
  if (ir) expectGolden(`golden/ir/${name.replace(/\.gm$/, ".txt")}`, printIr(ir));
});
