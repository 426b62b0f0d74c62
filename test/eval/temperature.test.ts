/** Temperatures: what a distribution's parameters become, and the way out where it has none that a temperature moves. */
import { describe, expect, it } from "vitest";
import { GmcError } from "../../src/runtime/graph/errors.js";
import { constant, stage } from "../../src/runtime/graph/index.js";
import { atTemperature } from "../../src/runtime/prob/temperature.js";

const helpOf = (params: readonly string[]): readonly string[] => {
  try {
    stage({}, () => atTemperature("x", Object.fromEntries(params.map((name) => [name, constant([0.5], [1])])), undefined, 2));
  } catch (error) {
    if (error instanceof GmcError && error.code === "GM4031") return error.help;
    throw error;
  }
  throw new Error("no error");
};

describe("a temperature that moves nothing", () => {
  it("names logits where the distribution has them", () => {
    expect(helpOf(["probs"])).toEqual([
      "of a Bernoulli, a category or a mixture, write the `logits`: a temperature divides them",
      "draw at temperature 1, which leaves the distribution as it is",
    ]);
    expect(helpOf(["rate"])).toEqual(["draw at temperature 1, which leaves the distribution as it is"]);
  });
});
