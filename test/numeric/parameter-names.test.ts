/** Nets and flows called as the generated functions call their parameters. */
import { expect, it } from "vitest";
import { PARAMETERS } from "../../src/codegen/reserved.js";
import { loadModel, runModel } from "../support/model.js";

const model = (net: string, flow: string): string => `
model Named {
  data y : real[2]
  latent z : real[2]
  net ${net}(z) = z |> dense(2)
  flow ${flow} on real[2] = affine
  density p(y, z) { z ~ Normal(0, 1) y ~ Normal(${net}(z), 1) }
  density q(z | y) { e ~ Normal(y, 1) z = ${flow}(e) }
  train { maximize ELBO(p, q) batch = 2, epochs = 1 }
  evaluate { nll = -IWAE(p, q, k = 3) }
}`;
/** What the objective and the measure are, and what is drawn. */
function numbers(net: string, flow: string): Readonly<Record<string, readonly number[]>> {
  const { model: definition, ...loaded } = loadModel(model(net, flow));
  const { value } = definition.train[0]!.updates[0]!;
  const nll = definition.evaluate!["nll"]!;
  if (nll.kind !== "rows") throw new Error("a measure of rows");
  return runModel(
    { ...loaded, model: definition },
    ({ w, x, key, rows }) => {
      const context = { w, data: x, key, rows } as never;
      return {
        elbo: value(context),
        nll: nll.value(context, 3),
        drawn: definition.densities["p"]!.sample!(w, key, rows, {}).values["y"]!,
      };
    },
    {
      data: { y: { shape: [2, 2], data: [0.3, -0.4, 1.1, 0.2] } },
      state: Object.fromEntries([
        [`${net}.dense1.kernel`, [0.4, -0.2, 0.7, 0.1]],
        [`${net}.dense1.bias`, [0.1, 0.2]],
        [`${flow}.affine1.shift`, [0.6, -0.3]],
        [`${flow}.affine1.logScale`, [-0.1, 0.2]],
      ]),
    },
  );
}
const plain = numbers("decode", "bend");

// `data` is a keyword
it.each([...PARAMETERS].filter((n) => n !== "data"))("`%s` is a net and a flow like any other", (name) => {
  expect(numbers(name, "bend")).toEqual(plain);
  expect(numbers("decode", name)).toEqual(plain);
});
it.each(["logP", "sampleP", "chainsP", "logZP", "weights", "normal"])("so is `%s`, which the file has", (name) =>
  expect(numbers(name, "bend")).toEqual(plain),
);
