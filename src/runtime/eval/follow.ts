/**
 * What follows held variables. Drawing from the top down, what comes after a held variable is given it, and what comes before is drawn without regard to
 * it. Where the density of the latents given all that is held is known in closed form, the inverse of a flow or a normal posterior, they are drawn
 * from that first; of others a note tells that they do not follow.
 */
import { GmcError } from "../graph/errors.js";
import type { DensityDefinition, ModelDefinition } from "../model.js";

/**
 * The density of latents given variables of which all are held; undefined where there is none, or some of these latents are held themselves that it
 * does not draw others given.
 */
export function conditionalOf(
  model: ModelDefinition,
  density: DensityDefinition,
  held: ReadonlySet<string>,
): DensityDefinition | undefined {
  return Object.values(model.densities).find(
    (d) =>
      d.conditional === true &&
      d.given.every((v) => held.has(v)) &&
      d.head.every((v) => density.head.includes(v) && (!held.has(v) || d.mayHold?.includes(v) === true)),
  );
}

/** Variables of `names` that keep their values: of what is drawn given its own sum, the sum alone is kept. */
export function heldIn({ head, given }: DensityDefinition, names: Iterable<string>): ReadonlySet<string> {
  return new Set([...names].filter((name) => head.includes(name) && !given.includes(name)));
}

/**
 * A sentence for each held variable that something is drawn before and does not follow. `known` is a variable of which some entries are held. GM4009
 * where what is held is made of what is drawn: the draw would not be the one that makes it.
 */
export function unfollowed(
  model: ModelDefinition,
  density: DensityDefinition,
  held: ReadonlySet<string>,
  known?: string,
): readonly string[] {
  const { reads = {}, made = [], label } = density;
  const stops = new Set([...held, ...(known === undefined ? [] : [known])]);
  return [...stops].flatMap((name) => {
    const sources = drawnAbove(density, name, stops);
    if (sources.length === 0) return [];
    const each = sources.map((v) => `\`${v}\``).join(", ");
    if (made.includes(name) && (reads[name] ?? []).length > 0)
      throw new GmcError("GM4009", `\`${name}\` of ${label} is made of ${each}, and no inverse tells what makes the values that are held`, [
        ...missing(model, density, name, held),
        `hold ${each} instead`,
      ]);
    const which = held.has(name) ? "which is held" : "part of which is known";
    const [be, do_] = sources.length === 1 ? ["is", "it does"] : ["are", "they do"];
    return [`${each} ${be} drawn before \`${name}\`, ${which}: ${do_} not follow it`];
  });
}

/**
 * GM4009 where a variable is held beside what it is a function of, so that rows would contradict the model: all that it reads, or what the inverse of a
 * flow gives from it.
 */
export function refuseContradictions(model: ModelDefinition, density: DensityDefinition, held: ReadonlySet<string>): void {
  const { reads = {}, made = [], given, label } = density;
  const decided = (name: string): boolean =>
    held.has(name) || given.includes(name) || (made.includes(name) && (reads[name] ?? []).every(decided));
  const hasStates = (v: string): boolean => ["binary", "category"].includes(model.latents[v]?.domain ?? "real");
  const inverses = Object.values(model.densities).filter((d) => d.conditional === true && d.exact !== undefined);
  for (const name of made) {
    if (!held.has(name)) continue;
    const read = reads[name] ?? [];
    const back = read.filter((v) => held.has(v) && !hasStates(v) && inverses.some((d) => d.exact?.includes(name) && d.head.includes(v)));
    const makers = read.every(decided) ? sourcesOf(density, name, held) : back;
    if (makers.length === 0) continue;
    const each = makers.map((v) => `\`${v}\``).join(", ");
    throw new GmcError("GM4009", `\`${name}\` of ${label} is a function of ${each}, and both are held: its rows would contradict them`, [
      `hold \`${name}\`, or hold ${each}: the other follows`,
    ]);
  }
}

/** What is held of that which a made variable is a function of, through others that are made. */
function sourcesOf({ reads = {} }: DensityDefinition, name: string, held: ReadonlySet<string>): readonly string[] {
  return [...new Set((reads[name] ?? []).flatMap((v) => (held.has(v) ? [v] : sourcesOf({ reads } as DensityDefinition, v, held))))];
}

/** What an inverse is given besides the variable, where that is not held. */
function missing(model: ModelDefinition, density: DensityDefinition, name: string, held: ReadonlySet<string>): readonly string[] {
  const [more = []] = Object.values(model.densities)
    .filter((d) => d.conditional === true && d.given.includes(name))
    .map((d) => d.given.filter((v) => density.head.includes(v) && !held.has(v)))
    .filter((others) => others.length > 0)
    .sort((a, b) => a.length - b.length);
  return more.length === 0 ? [] : [`hold ${more.map((v) => `\`${v}\``).join(", ")}, too: the inverse is given it`];
}

/** What is drawn that a variable reads, through what is not held, in the order of the density. */
function drawnAbove({ reads = {}, made = [], given }: DensityDefinition, name: string, stops: ReadonlySet<string>): readonly string[] {
  const seen = new Set<string>();
  const open = [...(reads[name] ?? [])];
  for (let v = open.pop(); v !== undefined; v = open.pop()) {
    if (seen.has(v) || stops.has(v) || given.includes(v)) continue;
    seen.add(v);
    open.push(...(reads[v] ?? []));
  }
  const order = Object.keys(reads);
  return [...seen].filter((v) => !made.includes(v)).sort((a, b) => order.indexOf(a) - order.indexOf(b));
}
