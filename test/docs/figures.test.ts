/** Figures of the guide beside the command that gives them: those in bold where bench/README.md has the same command. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { pages, root } from "./pages.js";

const COMMAND = /`npm run quality -- ([^`]*)`/u;
const FIGURE = /\d+\.\d+ ± \d+\.\d+/gu;

/** From the line that opens with a command to the next such line. */
const measured = (command: string): string => {
  const lines = readFileSync(`${root}/bench/README.md`, "utf8").split("\n");
  const start = lines.findIndex((line) => line.startsWith(`\`npm run quality -- ${command}\``));
  const end = lines.findIndex((line, i) => i > start && (line === "" || COMMAND.test(line)));
  return start < 0 ? "" : lines.slice(start, end).join(" ");
};

describe("figures of the guide", () => {
  const sentences = pages
    .filter(({ path }) => path.startsWith("docs/guide/"))
    .flatMap(({ text }) => text.split(/(?<=[.;:])\s/u))
    .filter((sentence) => COMMAND.test(sentence) && sentence.match(FIGURE) !== null);

  it("are those that their command gives", () => {
    expect(sentences.length).toBeGreaterThan(0);
    for (const sentence of sentences)
      for (const figure of sentence.match(FIGURE) ?? [])
        expect(measured(COMMAND.exec(sentence)?.[1] ?? ""), sentence).toContain(`**${figure}**`);
  });
});
