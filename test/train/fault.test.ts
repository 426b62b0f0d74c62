/** What a run says that came to a value that is not finite: the part of the objective, its line in the model, and the checkpoint that there is. */
import { describe, expect, it } from "vitest";
import { trainOn, type CheckpointReason } from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { loadModel } from "../support/model.js";

const here = (await onnxEngine.probe()).available;
const rows = Array.from({ length: 20 }, (_, i) => [Math.sin(i), Math.cos(i)]);

const latent = (objective: string, scale = "0.5"): string => `model M {
  data x : real[2]
  latent z : real[2]
  net decoder(z) = z |> dense(2)
  net encoder(x) = x |> dense(2)
  density p(x, z) {
    z ~ Normal(0, 1)
    x ~ Normal(decoder(z), ${scale})
  }
  density q(z | x) { z ~ Normal(encoder(x), 1) }
  objective far = E[z ~ q(z | x)](log p(x | z) +
    log(sum(z) - 100))
  train { maximize ${objective}, optimizer = sgd(lr = 1e-3)
    batch = 10, epochs = 3 }
}`;

const mixture = `model Mix {
  data x : real[2]
  latent c : category[3]
  param w : real[3] = 0, mu : real[3, 2] init data
  param s : positive[3] = 1
  density p(x, c) {
    c ~ Categorical(logits = w)
    x ~ Normal(mu[c], log(s[c] - 1))
  }
  train { maximize log p(x), optimizer = sgd(lr = 1e-3)
    batch = 10, epochs = 3 }
}`;

const plain = `model Plain {
  data x : real[2]
  param m : real[2] = 0, t : real = 1
  objective distance = sum((x - m)^2)
  objective both = distance + 0.5 * log(t)
  train { minimize both, optimizer = sgd(lr = 0.1)
    batch = 10, epochs = 3 }
}`;

async function fault(
  text: string,
  engine: typeof referenceEngine,
  onCheckpoint?: (reason: CheckpointReason) => void,
): Promise<{ code: string; message: string; help: readonly string[] }> {
  const { model } = loadModel(text);
  const session = await engine.open();
  try {
    await trainOn(session, model, datasetOf(model, { train: { x: rows } }), { seed: 1, ...(onCheckpoint && { onCheckpoint }) });
  } catch (error) {
    return error as never;
  } finally {
    session.dispose();
  }
  throw new Error("expected a fault");
}

describe.each([
  ["reference", referenceEngine],
  ["onnx", onnxEngine],
] as const)("on %s", (name, engine) => {
  const possible = it.skipIf(name === "onnx" && !here);

  possible.each([
    ["a density's statement", latent("ELBO(p, q)", "exp(-200)"), "log p(x | z), test.gm:8: is "],
    ["a term with no density in it", latent("far"), "log(sum(z) - 100), test.gm:12: is NaN"],
    ["a statement of a latent that is summed out", mixture, "log p(x | c), test.gm:8: is NaN"],
  ])("names %s and its line", async (_, text, message) => {
    const error = await fault(text, engine);
    expect(error.code).toBe("GM4003");
    expect(error.message).toContain(message);
    expect(error.message).toContain(" at step 1 of train");
    // nothing was trained and nothing saved
    expect(error.help.join()).not.toContain("checkpoint");
    expect(error.help).toEqual([expect.stringMatching(/how the weights start.*scale of the data.*divided by 0/)]);
  });

  possible("speaks of the checkpoint that there is, and of none where there is none", async () => {
    // t falls by 0.1 * 0.5 / t a step: from 1 to below 0 in a few epochs of two steps
    const text = plain.replace("epochs = 3", "epochs = 30");
    const saved: number[] = [];
    let at = 0;
    const error = await fault(text, engine, () => void saved.push((at += 2)));
    expect(error.message).toMatch(/^distance \+ 0\.5 \* log\(t\), test\.gm:5: is (NaN|minus infinity) at step \d+ of train$/);
    expect(saved.length).toBeGreaterThan(0);
    expect(error.help[0]).toBe(`the checkpoint of step ${saved.at(-1)} holds finite weights`);
    const none = await fault(text, engine);
    expect(none.help[0]).toBe("no checkpoint was written before this step");
    for (const { help } of [error, none]) {
      expect(help.join()).not.toContain("how the weights start");
      expect(help[1]).toContain("a smaller learning rate (--lr), clip_norm");
    }
  });

  possible("speaks of the learning rate where an update of the first step went wrong after another", async () => {
    const text = plain.replace("minimize both,", "minimize both, steps = 2,").replace("lr = 0.1", "lr = 1e30");
    const error = await fault(text, engine);
    expect(error.message).toContain(" at step 1 of train");
    expect(error.help).toEqual(["no checkpoint was written before this step", expect.stringContaining("a smaller learning rate")]);
  });

  possible.each([
    ["sqrt(sum(grad[y = x](D(y))^2))", true],
    ["norm(grad[y = x](D(y)))", false],
  ])("of the length of a slope that is 0 at the start, %s, tells the way out that helps", async (length, fails) => {
    const text = `model Flat {
  data x : real[2]
  net D(x) = x |> dense(4) |> tanh |> dense(1, start = "zeros") |> sum
  train { minimize E[x ~ data]((${length} - 1)^2) over D, optimizer = sgd(lr = 1e-3)
    batch = 10, epochs = 1 }
}`;
    if (!fails) return expect(fault(text, engine)).rejects.toThrow("expected a fault");
    const error = await fault(text, engine);
    expect(error.message).toContain("has a gradient that is not finite at step 1");
    expect(error.help.join()).toContain("`norm(x)`");
    return undefined;
  });
});
