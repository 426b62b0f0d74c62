/** gmc: log Z of models/rbm-bench.gm at given weights, as `gmc eval` estimates it. */
import { train } from "gmc/node";
import { compiledModel } from "./compiled.mjs";
import { rbm } from "./rbm.mjs";

export { version } from "./compiled.mjs";

export const open = ({ threads, data }) => openAis(data, { engine: "onnx", engineOptions: { threads } });

/** `kernel`: the RBM's; `engine`: options of `train` that say where it runs. */
export async function openAis(kernel, engine, temperatures = 10000) {
  const rows = 100;
  const trained = await train(await compiledModel("rbm-bench.gm", { T: temperatures }), {
    // even odds for every pixel make the base model uniform
    data: { v: { shape: [rows, rbm.visible], data: new Float32Array(rows * rbm.visible).fill(0.5) } },
    ...engine,
    steps: 1,
  });
  await trained.session.write("W", { dtype: "f32", shape: [rbm.visible, rbm.hidden], data: kernel });
  for (const [bias, size] of Object.entries({ a: rbm.hidden, b: rbm.visible }))
    await trained.session.write(bias, { dtype: "f32", shape: [size], data: new Float32Array(size) });
  let seed = 0;
  return {
    step: async () => {
      const { metrics } = await trained.evaluate({ metrics: ["logZ"], terms: false, reconstruction: false, seed: ++seed });
      return metrics.logZ.value;
    },
  };
}
