/** What samples of a density are given: its conditions, and variables that are held. */
import { secondOfBlock } from "../data/joint-checks.js";
import { GmcError } from "../graph/errors.js";
import type { HostTensor, HostTensors } from "../engines/engine.js";
import { sizeOf } from "../graph/shape.js";
import type { ModelDefinition, VariableSpec } from "../model.js";
import { rowsOfVariable, type ArrayInput } from "../train/arrays.js";
import { dataVariables, defined } from "../train/context.js";
import { generativeOf } from "./draw.js";

/** GM5022 where two units of a block are held at 1 of which the declaration allows one. */
function checkHeld(name: string, spec: VariableSpec | undefined, values: ArrayLike<number>): void {
  if (spec?.atMostOne === undefined || secondOfBlock(spec, values) === undefined) return;
  throw new GmcError(
    "GM5022",
    `\`${name}\` is held at a state that it does not have: at most one 1 in each block of ${spec.atMostOne.join(" x ")} units`,
    [
      `0 is a state of all of its units, \`${name}=0\``,
      "a script holds each unit at a value of its own: `trained.sample(rows, { given: … })`",
    ],
  );
}

/**
 * Values for what the generative density is conditioned on: as given, else classes in turn, else rows of the data; and for what else is held.
 * What a chain draws is no condition of it. GM4009 for a name that the density does not have, GM5022 for a state that no variable has.
 */
export function givenValues(
  model: ModelDefinition,
  rows: number,
  given: Readonly<Record<string, ArrayInput | number>> | undefined,
  data: () => HostTensors,
): Record<string, HostTensor> {
  const density = generativeOf(model);
  const variables = dataVariables(model);
  const out: Record<string, HostTensor> = {};
  const conditions = density.given.filter((name) => density.chain?.variables[name] === undefined);
  for (const name of Object.keys(given ?? {})) {
    if (!density.head.includes(name) && !density.given.includes(name))
      throw new GmcError("GM4009", `${density.label} has no variable \`${name}\` to hold`, [
        `it has: ${[...density.head, ...density.given].join(", ")}`,
      ]);
  }
  for (const name of new Set([...conditions, ...Object.keys(given ?? {})])) {
    const spec = variables[name] ?? model.latents[name];
    const shape = [rows, ...(spec?.shape ?? [])];
    const own = given?.[name];
    if (own !== undefined) {
      const { dtype, data: values } = rowsOfVariable(
        name,
        spec ?? { domain: "real", shape: [] },
        typeof own === "number" ? new Float32Array(sizeOf(shape)).fill(own) : own,
      );
      if (values.length !== sizeOf(shape))
        throw new GmcError("GM4009", `\`${name}\` is held at ${values.length} numbers, and ${rows} rows of it are ${sizeOf(shape)}`);
      checkHeld(name, spec, values);
      out[name] = { dtype, shape, data: values };
    } else if (spec?.domain === "category" && spec.shape.length === 0) {
      out[name] = { dtype: "i32", shape, data: Int32Array.from({ length: rows }, (_, i) => i % (spec.classes ?? 1)) };
    } else if (variables[name] !== undefined) out[name] = defined(data()[name], name);
    else throw new GmcError("GM4009", `a value of \`${name}\` is needed to draw from ${density.label}`);
  }
  return out;
}
