/**
 * Compilation takes time in proportion to the model, and no stack that grows with it. Times are of the processor and the ceiling is four
 * times what the slowest takes on an old machine, so that a busy one does not fail; what is quadratic takes minutes or, where a walk branches, for ever.
 */
import { expect, it } from "vitest";
import { compile } from "../src/compile.js";

const CEILING_S = 30;
const N = 2000;

const rows = (make: (i: number) => string, between = "\n", n = N): string => Array.from({ length: n }, (_, i) => make(i + 1)).join(between);

const around = (members: string, body: string, objective = "ELBO(p, q)"): string => `model M(D = 2, Z = 2) {
  data x : real[D]
  latent z : real[Z]
${members}
  density p(x, z) {
    z ~ Normal(0, 1)
${body}
  }
  density q(z | x) { z ~ Normal(x |> dense(Z), 1) }
  train { maximize ${objective} }
}`;

const chain = (n = N): string => `h0 = z\n${rows((i) => `h${i} = h${i - 1} + tanh(h${i - 1})`, "\n", n)}`;

const cases: Readonly<Record<string, string>> = {
  "bindings of a density": around("", `${chain()}\nx ~ Normal(h${N}, 1)`),
  "bindings of a net": around(`net f(z) {\n${chain()}\nreturn h${N}\n}`, "x ~ Normal(f(z), 1)"),
  "fields of records": around(
    "",
    `e = (${rows((i) => `f${i} = z * ${i}`, ", ")})\nh0 = z\n${rows((i) => `h${i} = h${i - 1} + e.f${i}`)}\nx ~ Normal(h${N}, 1)`,
  ),
  "turns of a `for`": around(
    `net f(z) {\nh[0] = z\nfor l in 1..${N} {\nt = h[l-1] |> dense(2)\nh[l] = tanh(t)\n}\nreturn h[${N}]\n}`,
    "x ~ Normal(f(z), 1)",
  ),
  "nets that are called": around(
    rows((i) => `net n${i}(z) = z |> dense(2) |> tanh`),
    `h0 = z\n${rows((i) => `h${i} = n${i}(h${i - 1})`)}\nx ~ Normal(h${N}, 1)`,
  ),
  parameters: around(
    rows((i) => `param a${i} : real[2]`),
    `h0 = z\n${rows((i) => `h${i} = h${i - 1} + a${i}`)}\nx ~ Normal(h${N}, 1)`,
  ),
  densities: around(
    rows((i) => `density d${i}(x | z) { x ~ Normal(z |> dense(2), 1) }`),
    "x ~ Normal(z, 1)",
  ),
  "a chain of latents": `model M {
  data x : real[2]
  latent z[l in 1..${N}] : real[2]
  density p(x, z) {
    z[1] ~ Normal(0, 1)
    for l in 2..${N} { z[l] ~ Normal(z[l-1] |> dense(2), 1) }
    x ~ Normal(z[${N}], 1)
  }
  density q(z | x) {
    z[1] ~ Normal(x, 1)
    for l in 2..${N} {
      h[l] = tanh(z[l-1])
      z[l] ~ Normal(h[l] |> dense(2), 1)
    }
  }
  train { maximize ELBO(p, q) }
}`,
  "latents side by side": `model M {
  data x : real[2]
  latent z[l in 1..${N}] : real[2]
  density p(x, z) {
    for l in 1..${N} { z[l] ~ Normal(0, 1) }
    x ~ Normal(z[1] |> dense(2), 1)
  }
  density q(z | x) {
    e = x |> dense(2)
    for l in 1..${N} { z[l] ~ Normal(e, 1) }
  }
  train { maximize ELBO(p, q) }
}`,
  "data variables": `model M {
  data ${rows((i) => `x${i} : real[2]`, ", ")}
  latent z : real[2]
  density p(z, ${rows((i) => `x${i}`, ", ")}) {
    z ~ Normal(0, 1)
${rows((i) => `x${i} ~ Normal(z |> dense(2), 1)`)}
  }
  density q(z | x1) { z ~ Normal(x1 |> dense(2), 1) }
  train { maximize ELBO(p, q) }
}`,
  // each binding reads the one before it twice: a walk without memory takes 2^2000 steps
  "an exact marginal": around("", `h0 = z |> dense(2)\n${rows((i) => `h${i} = h${i - 1} + h${i - 1}`)}\nx ~ Normal(h${N}, 1)`, "log p(x)"),
};

it.each(Object.keys(cases))(
  `2,000 of them: %s`,
  (name) => {
    const before = process.cpuUsage();
    const compiled = compile({ path: "m.gm", text: cases[name] ?? "" });
    expect(compiled.diagnostics.filter((d) => d.severity === "error")).toEqual([]);
    const text = compiled.print("ts");
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(CEILING_S);
    // what is written grows with the model too: a long sum is no tower of calls, each indented deeper than the last
    expect(text.length).toBeLessThan(2000 * N);
  },
  600_000,
);

it("every binding of a chain is evaluated once, after what it reads", () => {
  const n = 300;
  const text = compile({ path: "m.gm", text: around("", `${chain(n)}\nx ~ Normal(h${n}, 1)`) }).print("js");
  for (const fn of text.split("export function ").slice(1)) {
    const lines = fn.split("\n");
    const at = Array.from({ length: n }, (_, i) => lines.findIndex((line) => line.includes(`const h${i + 1} = add(`)));
    if (at.every((line) => line < 0)) continue;
    expect(at).toEqual([...at].sort((a, b) => a - b));
    expect(at[0]).toBeGreaterThan(0);
    expect(lines.filter((line) => line.includes("tanh(")).length).toBe(n);
  }
});
