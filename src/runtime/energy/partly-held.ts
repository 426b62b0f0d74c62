/** An energy of which some entries of a variable are held and its others are free: clamped Gibbs chains, and chains along a gradient. */
import { add, broadcastTo, expandDims, less, mul, oneHot, select, sizeOf, square, sub, sum, type Tensor } from "../graph/index.js";
import { GmcError } from "../graph/errors.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { eventOf, flat, isCategory, isReal, unitsOf } from "./values.js";

/** Names of what such an energy reads besides; no variable of a model can be called so. */
const MASK = "known:mask:";
const VALUE = "known:value:";

/** Of the variable that is held in part: the mask, 1 where an entry is held, and the values there, both [rows, ...event]. */
export interface HeldPart {
  readonly name: string;
  readonly mask: Tensor;
  readonly value: Tensor;
}

/** As conditions of a chain. */
export function namedPart<T>(name: string, mask: T, value: T): Readonly<Record<string, T>> {
  return { [MASK + name]: mask, [VALUE + name]: value };
}

/** What `namedPart` named, and the other values. */
export function partOf(given: Values): { readonly part: HeldPart | undefined; readonly rest: Values } {
  const found = Object.keys(given).find((name) => name.startsWith(MASK));
  if (found === undefined) return { part: undefined, rest: given };
  const name = found.slice(MASK.length);
  const { [MASK + name]: mask, [VALUE + name]: value, ...rest } = given;
  return { part: { name, mask: mask!, value: value! }, rest };
}

/** Variables of which parts can be held: not single numbers, nor counts, whose total the held entries are a part of. */
export function partlyHeldable<W>(model: EnergyModel<W>): readonly string[] {
  return Object.entries(model.units).flatMap(([name, { kind, shape }]) => (kind !== "multinomial" && sizeOf(shape) > 1 ? [name] : []));
}

/** Far beyond any other difference of two states. */
const AWAY = 1e4;

/**
 * The energy with the held entries of a variable at their values, whatever the variable has there, and the values that it reads besides. The variable's
 * own entries there meet no others: a discrete one is at its held value (of a block no other unit then is on), one with a Normal conditional has a
 * standard one about it, one that is moved by its gradient feels no force. So the free entries have their distribution given the held ones
 * under every sampler of the model. Show `withPart` of a state.
 */
export function partlyHeld<W>(
  model: EnergyModel<W>,
  { name, mask, value }: HeldPart,
): { readonly model: EnergyModel<W>; readonly x: Values } {
  const units = unitsOf(model, name);
  if (units.kind === "multinomial")
    throw new GmcError("GM4009", `\`${name}\` of \`${model.name}\` (${model.place}) is counts, which are not held in part`, [
      "what is held is a part of their total: hold the whole variable",
    ]);
  const event = eventOf(units);
  const [m, u] = [`${MASK}${name}`, `${VALUE}${name}`];
  const seen = isCategory(units) ? oneHot(value, units.classes) : value;
  const wide = isCategory(units) ? broadcastTo(expandDims(mask, -1), seen.shape) : mask;
  const penalty = (held: Tensor, at: Tensor, own: Tensor): Tensor | undefined => {
    if (units.kind === "real") return undefined;
    const each = isReal(units) ? mul(0.5, square(sub(own, at))) : mul(AWAY, add(mul(own, sub(1, at)), mul(sub(1, own), at)));
    return sum(flat(mul(held, each), event), -1);
  };
  return {
    model: {
      ...model,
      reads: { ...model.reads, [m]: event, [u]: event },
      energy: (w, x) => {
        const { [m]: held, [u]: at, ...rest } = x;
        const own = x[name]!;
        const energy = model.energy(w, { ...rest, [name]: add(mul(held!, at!), mul(sub(1, held!), own)) });
        const away = penalty(held!, at!, own);
        return away === undefined ? energy : add(energy, away);
      },
    },
    x: { [m]: wide, [u]: seen },
  };
}

/** The variable with its held entries at their values. */
export function withPart({ mask, value }: HeldPart, own: Tensor): Tensor {
  return select(less(0.5, mask), value, own);
}
