/** What errors about entries in an order tell to do: the ways lead on, and not into another error. */
import { expect, test } from "vitest";
import { compile } from "../../src/compile.js";

const found = (domain: string, draw: string): readonly string[] =>
  compile(
    {
      path: "m.gm",
      text: `model M { data x : ${domain}  param a : real[4] = 0.5  density p(x) { x ~ ${draw} }  train { maximize log p(x) } }`,
    },
    {},
  ).diagnostics.flatMap((d) => (d.severity === "error" ? [d.code, ...d.help] : []));

/** The first text in backquotes of the help that says this. */
const wayOf = (lines: readonly string[], says: string): string =>
  /`([^`]+)`/u.exec(lines.find((line) => line.includes(says)) ?? "")?.[1] ?? "no way";

test("a running sum without the entry itself is one of the entries before", () => {
  const [code, ...help] = found("binary[4]", "Bernoulli(logits = a * (cumsum(x) - x))");
  expect(code).toBe("GM3721");
  expect(found("binary[4]", `Bernoulli(logits = a * cumsum(${wayOf(help, "one entry later")}))`)).toEqual([]);
});

test("values for each entry of vectors are units of the layer", () => {
  const net = (last: string): string => `Categorical(logits = onehot(x) |> masked_dense(30) |> relu |> ${last})`;
  const [code, ...help] = found("category[3][6]", net("masked_dense(6, channels = 3)"));
  expect(code).toBe("GM2031");
  expect(found("category[3][6]", net(wayOf(help, "gives [6, 3]")))).toEqual([]);
});

test("places of several axes become one", () => {
  const net = (before: string): string => `Categorical(logits = onehot(x) ${before} |> nade(4, outputs = 3) |> reshape(2, 3, 3))`;
  const [code, help = ""] = found("category[3][2, 3]", net(""));
  expect(code).toBe("GM2030");
  const way = /`(reshape[^`]+)`/u.exec(help)?.[1] ?? "no way";
  expect(found("category[3][2, 3]", net(`|> ${way}`))).toEqual([]);
});
