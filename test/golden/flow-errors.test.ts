/** Mistakes in flows that show when a run stages or tries them: the output of each, as a command prints it. */
import { describe, expect, it } from "vitest";
import { renderDiagnostic } from "../../src/base/render.js";
import { GmcError } from "../../src/runtime/index.js";
import { expectGolden } from "../support/golden.js";
import { tryRoundTrips } from "../support/round-trips.js";

async function printed(run: () => Promise<unknown>): Promise<string> {
  const error = await run().then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!(error instanceof GmcError)) throw new Error(`no error of gmc: ${String(error)}`);
  const { code, message, help } = error;
  return renderDiagnostic({ code, severity: "error", message, labels: [], notes: [], help }, { color: false });
}

const written = (flow: string, on: string, param = ""): string => `
model M {
  data x : ${on}
  latent z : ${on}
${param}  flow f on ${on} {
    ${flow}
  }
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  train { maximize log p(x) }
}`;

describe("errors of flows in a run", () => {
  it.each([
    ["GM4023-shift-undone-twice", written("forward(z) = 2 * z + 1\n    inverse(x) = (x + 1) / 2", "real[2]")],
    ["GM4023-no-number", written("forward(z) = z + z^3\n    inverse(x) = log(x)", "real[2]")],
    [
      "GM4023-at-the-start-alone",
      written("forward(z) = z * exp(s)\n    inverse(x) = x * exp(s)", "real[2]", "  param s : real[2] = 0\n"),
    ],
    ["GM4026-a-disc", written("forward(z) = z / (1 + norm(z))\n    inverse(x) = x / (1 - norm(x))", "real[2]")],
  ])("%s", async (name, text) => {
    const out = await printed(() => tryRoundTrips(text));
    expect(out).toContain(name.slice(0, 6));
    expectGolden(`golden/errors/gm4/${name}.txt`, out);
  });
});
