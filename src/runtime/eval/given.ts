/** What samples of a density are given: its conditions, and variables that are held. */
import { GmcError } from "../graph/errors.js";
import { familiesOf } from "../data/families.js";
import type { HostTensor, HostTensors } from "../engines/engine.js";
import { sizeOf } from "../graph/shape.js";
import type { ModelDefinition } from "../model.js";
import { byMember, rowsOfVariable, type ArrayInput } from "../train/arrays.js";
import { dataVariables, defined } from "../train/context.js";
import { generativeOf } from "./draw.js";

/**
 * Values for what the generative density is conditioned on: as given, else classes in turn, else rows of the data; and for what else is held.
 * What a chain draws is no condition of it. A family whole is each of its variables. GM4009 for a name that the density does not have, GM5022 for values outside a
 * variable's domain.
 */
export function givenValues(
  model: ModelDefinition,
  rows: number,
  asked: Readonly<Record<string, ArrayInput | number>> | undefined,
  data: () => HostTensors,
): Record<string, HostTensor> {
  const density = generativeOf(model);
  const variables = dataVariables(model);
  const all = { ...model.latents, ...variables };
  const given = asked && byMember(familiesOf(all), all, asked, "given");
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
        // what is held has a value, also where rows of the data may have none
        spec === undefined ? { domain: "real", shape: [] } : { ...spec, optional: false },
        typeof own === "number" ? new Float32Array(sizeOf(shape)).fill(own) : own,
      );
      if (values.length !== sizeOf(shape))
        throw new GmcError("GM4009", `\`${name}\` is held at ${values.length} numbers, and ${rows} rows of it are ${sizeOf(shape)}`);
      out[name] = { dtype, shape, data: values };
    } else if (spec?.domain === "category" && spec.shape.length === 0) {
      out[name] = { dtype: "i32", shape, data: Int32Array.from({ length: rows }, (_, i) => i % (spec.classes ?? 1)) };
    } else if (variables[name] !== undefined) out[name] = defined(data()[name], name);
    else throw new GmcError("GM4009", `a value of \`${name}\` is needed to draw from ${density.label}`);
  }
  return out;
}
