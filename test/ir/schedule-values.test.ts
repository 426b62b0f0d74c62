/** Values and lengths of schedules are held against what they are for when the model is compiled, each at its place. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { iwaeSchedule, stepDecay } from "../../src/runtime/optim/schedules.js";

const found = (lr: string, objective = "log p(x)"): readonly (readonly [string, string, string])[] => {
  const text = `model M {
    data x : real
    param a : real = 0
    density p(x) { x ~ Normal(a, 1) }
    objective Scaled(beta) = beta * log p(x)
    train { maximize ${objective}  optimizer = sgd(lr = ${lr}) }
  }`;
  const { diagnostics } = compile({ path: "m.gm", text });
  return diagnostics.map(({ code, message, labels: [label] }) => [
    code,
    message,
    label ? text.slice(label.span.start, label.span.end) : "",
  ]);
};

describe("learning rates", () => {
  it.each([
    ["constant(-0.05)", "-0.05", "`value` of `constant` must be a number above 0, found -0.05"],
    ["linear(1e-3, -1e-3, epochs = 1)", "-1e-3", "`to` of `linear` must be a number of at least 0, found -0.001"],
    ["step_decay(1, -1, epochs = 1)", "-1", "`factor` of `step_decay` must be a number above 0, found -1"],
    ["step_decay(0, 0.5, epochs = 1)", "0", "`start` of `step_decay` must be a number above 0, found 0"],
    ["exponential(1e-3, -1, epochs = 2)", "-1", "`rate` of `exponential` must be a number above 0, found -1"],
    ["linear(0, 0, steps = 5)", "0", "`from` of `linear` must be above 0 somewhere, found 0"],
    ["piecewise([1e-3, -2], epochs = [1, 2])", "[1e-3, -2]", "`values` of `piecewise` must be numbers of at least 0, found -2"],
    ["warmup(-1, steps = 10)", "-1", "`then` of `warmup` must be a number above 0, found -1"],
    ["warmup(cosine(-1, 0, epochs = 2), steps = 10)", "-1", "`from` of `cosine` must be a number of at least 0, found -1"],
    ["iwae_schedule(-1e-3)", "-1e-3", "`lr` of `iwae_schedule` must be a number above 0, found -0.001"],
  ])("%s", (lr, place, message) => {
    expect(found(lr)).toEqual([["GM2062", message, place]]);
  });

  it.each(["cosine(1e-3, 0, epochs = 5)", "linear(0, 1e-3, steps = 7)", "warmup(1e-3, epochs = 0.5)", "piecewise([1, 0], steps = [3, 4])"])(
    "%s is one",
    (lr) => expect(found(lr)).toEqual([]),
  );
});

describe("lengths", () => {
  it.each([
    ["linear(0, 1, epochs = -3)", "-3", "`epochs` of `linear` must be a number above 0, found -3"],
    ["warmup(1e-3, steps = 0)", "0", "`steps` of `warmup` must be a number above 0, found 0"],
    ["step_decay(1e-3, 0.1, epochs = 0)", "0", "`epochs` of `step_decay` must be a number above 0, found 0"],
    [
      "piecewise([1e-3, 1e-4], epochs = [1])",
      "[1]",
      "`epochs` of `piecewise` must be a list of as many lengths as there are values, 2, found one length",
    ],
    [
      "piecewise([1, 2], epochs = [1, 2, 3])",
      "[1, 2, 3]",
      "`epochs` of `piecewise` must be a list of as many lengths as there are values, 2, found 3 lengths",
    ],
    ["piecewise([1, 2], steps = [1, 0])", "[1, 0]", "`steps` of `piecewise` must be numbers above 0, found 0"],
    ["piecewise([], epochs = [])", "[]", "`values` of `piecewise` must be a list of at least one number, found none"],
    ["iwae_schedule(1e-3, stages = 0)", "0", "`stages` of `iwae_schedule` must be a whole number of at least 1, found 0"],
    ["iwae_schedule(1e-3, stages = 2.5)", "2.5", "`stages` of `iwae_schedule` must be a whole number of at least 1, found 2.5"],
    ["iwae_schedule(epochs = -1)", "-1", "`epochs` of `iwae_schedule` must be a number above 0, found -1"],
  ])("%s, as a learning rate and as a weight", (schedule, place, message) => {
    expect(found(schedule)).toEqual([["GM2062", message, place]]);
    expect(found("0.1", `Scaled(${schedule})`)).toEqual([["GM2062", message, place]]);
  });

  it("of a script are refused with a call of a script", () => {
    expect(() => stepDecay(1, 0.1, { epochs: 0 })).toThrow(
      expect.objectContaining({ code: "GM4001", help: ["write for example stepDecay(0.1, 0.1, { epochs: 30 })"] }) as Error,
    );
    expect(() => iwaeSchedule({ stages: 0 })).toThrow("iwaeSchedule: its stages must be a whole number from 1 on, found 0");
  });
});

it("weights may be below 0", () => expect(found("0.1", "Scaled(linear(-1, 1, epochs = 2))")).toEqual([]));
