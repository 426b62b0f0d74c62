/** After a syntax error: nothing is told that only follows from it, and what is wrong elsewhere is. */
import fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { elaborateText } from "./support.js";

const sources = readdirSync("examples")
  .filter((name) => name.endsWith(".gm"))
  .map((name) => readFileSync(`examples/${name}`, "utf8").match(/\s+|[\p{L}_][\p{L}\p{N}_]*|[\d.]+|\/\/.*|\|>|\.\.|./gu) ?? []);

describe("what follows", () => {
  it("is not told: a valid model with one broken place has syntax errors alone", () => {
    let broken = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...sources),
        fc.nat(),
        fc.constantFrom("", ")", "~", "{", "}", "(", "|", ",", "[", "data", "x x"),
        (parts, at, by) => {
          const place = at % parts.length;
          fc.pre(/^[^\s/]/.test(parts[place] ?? ""));
          const { codes, text } = elaborateText([...parts.slice(0, place), by, ...parts.slice(place + 1)].join(""));
          fc.pre(codes.some((code) => code.startsWith("GM1")));
          broken++;
          expect(
            codes.filter((code) => !code.startsWith("GM1")),
            text,
          ).toEqual([]);
        },
      ),
      { numRuns: 250 },
    );
    expect(broken).toBeGreaterThan(100);
  });

  it.each([
    ["a hyperparameter", "model M(D = 3, = 4) {", "latent z : real[Z]"],
    ["a declaration without its name", "data : real[3]", "density r(y) { y ~ Normal(0, 1) }"],
    ["a net whose head is broken", "net f(x = x |> dense(D)", "objective o = sum(f(x))"],
    ["an import", 'import nets.gm"', "objective o = sum(imported(x))"],
  ])("is not told: %s", (_, bad, use) => {
    const head = bad.startsWith("model") ? bad : bad.startsWith("import") ? `${bad}\nmodel M(D = 3) {` : "model M(D = 3) {";
    const member = bad === head || bad.startsWith("import") ? "" : bad;
    const { codes } = elaborateText(`${head}\n data x : real[D]\n ${member}\n ${use}\n train { minimize sum(x) }\n}`);
    expect(codes.filter((code) => !code.startsWith("GM1"))).toEqual([]);
    expect(codes).not.toEqual([]);
  });
});

describe("what is wrong elsewhere", () => {
  const model = (member: string, body = "z ~ Normal(e.loc, e.scale)"): readonly string[] =>
    elaborateText(`model M(D = 3, Z = 2) {
      data x : real[D]
      latent z : real[Z]
      param w : real[D]
      net encoder(x) = (loc = x |> dense(Z), scale = exp(x |> dense(Z)))
      density p(x, z) {
        z ~ Normal(0, 1)
        x ~ Normal(z |> dense(D), 1)
      }
      density q(z | x) {
        e = encoder(x)
        ${body}
      }
      ${member}
      train { maximize ELBO(p, q) }
    }`).codes;

  it.each([
    ["param v : real[Y]", "GM2001"],
    ["param v : real[D] init Norma(0, 1)", "GM2055"],
    ["param v : positive[D] = -1", "GM2056"],
    ["objective o = sum(softplu(w))", "GM2029"],
    ["objective o = sum(w) + sum(v)", "GM2001"],
    ["objective o = w", "GM3035"],
    ["param w : real", "GM2002"],
    ["density r(x) { x ~ Norml(0, 1) }", "GM3008"],
  ])("is told: %s", (member, code) => {
    expect(model(member)).toContain(code);
    expect(model(member, "z ~ Normal(e.loc, e.scale")).toEqual(expect.arrayContaining(["GM1002", code]));
  });
});
