/** Which way the metric of early stopping should go: with the wrong one a run would stop as it learns, and keep its worst weights. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const model = (metric: string, train = "maximize ELBO(p, q)", goal = ""): string => `
model M(D = 4, Z = 2) {
  data x : real[D]
  latent z : real[Z]
  net f(z) = z |> dense(D)
  density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(f(z), 1) }
  density q(z | x) { e = x |> gaussian(Z)  z ~ Normal(e.loc, e.scale) }
  objective Loss = sum((x - f(x[1..2]))^2)
  objective Hits = mean(where(less(abs(x - f(x[1..2])), 1), 1, 0))
  train { ${train}  early_stopping = early_stopping(metric = m, patience = 3${goal}) }
  evaluate { m = ${metric} }
}`;

function goalOf(text: string): string | undefined {
  const { diagnostics, print } = compile({ path: "m.gm", text });
  const errors = diagnostics.filter((d) => d.severity === "error").map((d) => d.code);
  return errors.length > 0 ? errors.join() : /goal: "(\w+)"/u.exec(print("js"))?.[1];
}

describe("the metric of early stopping", () => {
  it.each([
    ["ELBO(p, q)", "rise"],
    ["-ELBO(p, q)", "fall"],
    ["-ELBO(p, q) / (D * log(2))", "fall"],
    ["IWAE(p, q, k = 20)", "rise"],
    ["-IWAE(p, q, k = 20)", "fall"],
    ["log p(x)", "rise"],
    ["-log p(x)", "fall"],
    ["log p(x) / D", "rise"],
    ["Distortion(p, q)", "fall"],
    ["E[z ~ q(z | x)](log p(x | z))", "rise"],
    ["active_units(q)", "rise"],
    ["reconstruction(p, q)", "fall"],
    ["Loss", "GM3049"],
  ])("%s: %s", (metric, goal) => expect(goalOf(model(metric))).toBe(goal));

  it("goes where an update of the same quantity takes it", () => {
    expect(goalOf(model("Loss", "minimize Loss"))).toBe("fall");
    expect(goalOf(model("-Loss", "minimize Loss"))).toBe("rise");
    expect(goalOf(model("Loss", "maximize -Loss"))).toBe("fall");
    expect(goalOf(model("ELBO(p, q, beta = 4)", "maximize ELBO(p, q, beta = 4)"))).toBe("rise");
  });

  it("goes where the statement says", () => {
    expect(goalOf(model("Hits", "minimize Loss"))).toBe("GM3049");
    expect(goalOf(model("Hits", "minimize Loss", ', goal = "rise"'))).toBe("rise");
    expect(goalOf(model("ELBO(p, q)", undefined, ', goal = "fall"'))).toBe("fall");
    expect(goalOf(model("Hits", "minimize Loss", ', goal = "up"'))).toBe("GM2062");
  });
});
