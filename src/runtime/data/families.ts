/**
 * A family of data variables, `x[1]` to `x[T]`, takes one array [rows, T, ...]: a sequence in each row, a step for each variable. Where variables of the
 * family are named one by one in the data, or no field has such rows, all is left as it is.
 */
import { sizeOf } from "../graph/shape.js";
import type { StreamSpec } from "../model.js";
import type { DataArray } from "./array.js";
import { pathOf, splitNames, type Field, type RawData } from "./dataset.js";
import { dense } from "./sparse.js";

export interface Family {
  readonly name: string;
  readonly members: readonly string[];
  /** Entries of a member. */
  readonly width: number;
}

/** The data with one field for each member of a family in place of the field of all. */
export function spreadFamilies(raw: RawData, streams: readonly StreamSpec[]): RawData {
  let { fields, assigned } = raw;
  for (const family of streams.flatMap(familiesOf)) {
    // rows of other splits may be given by member beside those of all
    if (family.members.some((member) => fields[member]?.splits.train !== undefined)) continue;
    const name = Object.hasOwn(fields, family.name)
      ? family.name
      : Object.keys(fields).find((f) => !assigned.has(f) && fits(fields[f], family));
    const whole = name === undefined ? undefined : fields[name];
    if (name === undefined || !whole || !fits(whole, family)) continue;
    const { [name]: _, ...others } = fields;
    const each = family.members.map((member, i) => [member, beside(stepOf(whole, i), fields[member])] as const);
    fields = { ...others, ...Object.fromEntries(each) };
    if (assigned.has(name)) assigned = new Set([...assigned, ...family.members].filter((each) => each !== name));
  }
  return fields === raw.fields
    ? raw
    : { ...raw, fields, assigned, ...(raw.unnamed && { unnamed: renamed(raw.unnamed, raw.fields, fields) }) };
}

/** Families of variables: all of 1 to T, T above 1, of one domain and shape. */
export function familiesOf(spec: StreamSpec): readonly Family[] {
  const byName = new Map<string, string[]>();
  for (const variable of Object.keys(spec)) {
    const found = /^(.*)\[(\d+)\]$/u.exec(variable);
    if (found) byName.set(found[1]!, [...(byName.get(found[1]!) ?? []), variable]);
  }
  return [...byName].flatMap(([name, found]) => {
    const members = found.map((_, i) => `${name}[${i + 1}]`);
    const shapes = new Set(members.map((m) => (spec[m] ? `${spec[m].domain} ${spec[m].shape.join()}` : "")));
    return members.length > 1 && shapes.size === 1 && !shapes.has("") ? [{ name, members, width: sizeOf(spec[members[0]!]!.shape) }] : [];
  });
}

function fits(field: Field | undefined, { members, width }: Family): boolean {
  const [, steps, ...event] = field?.splits.train?.shape ?? [];
  return steps === members.length && sizeOf(event) === width;
}

function stepOf(field: Field, step: number): Field {
  const splits = Object.entries(field.splits).flatMap(([split, array]) => (array ? [[split, stepOfRows(dense(array), step)]] : []));
  return { ...field, role: "values", splits: Object.fromEntries(splits) as Field["splits"] };
}

/** A step with the splits, and options, that it was given by itself. */
function beside(step: Field, own: Field | undefined): Field {
  if (own === undefined) return step;
  const paths = Object.fromEntries(splitNames.map((split) => [split, pathOf(own.splits[split] === undefined ? step : own, split)]));
  return { ...step, splits: { ...step.splits, ...own.splits }, paths, options: { ...step.options, ...own.options } };
}

/** Names, a family all of whose variables are among them as one. */
export function familyNames(names: readonly string[], spec: StreamSpec): readonly string[] {
  let all = names;
  for (const { name, members } of familiesOf(spec)) {
    if (!members.every((member) => all.includes(member)) || Object.hasOwn(spec, name)) continue;
    all = all.flatMap((each) => (each === members[0] ? [name] : members.includes(each) ? [] : [each]));
  }
  return all;
}

/** Step `step`, from 0, of rows [rows, T, ...event]. */
export function stepOfRows({ shape, dtype, data, labels, text }: DataArray, step: number): DataArray {
  const [rows = 0, steps = 1, ...event] = shape;
  const width = sizeOf(event);
  const out = data.slice(0, rows * width);
  for (let row = 0; row < rows; row++) {
    const start = (row * steps + step) * width;
    out.set(data.subarray(start, start + width), row * width);
  }
  return { shape: [rows, ...event], dtype, data: out, ...(labels && { labels }), ...(text && { text }) };
}

/** What a source gave, by the names of today. */
function renamed(unnamed: NonNullable<RawData["unnamed"]>, before: RawData["fields"], now: RawData["fields"]): RawData["unnamed"] {
  const fresh = Object.keys(now).filter((name) => !Object.hasOwn(before, name));
  return unnamed.map((each) => ({
    ...each,
    fields: each.fields.flatMap((name) => (Object.hasOwn(now, name) ? [name] : fresh)),
  }));
}

/** Lines about variables, those that say the same of members of a family as one: `x[1] to x[8]: values as in the file`. */
export function linesOfFamilies(lines: readonly string[]): readonly string[] {
  const merged = new Map<string, { readonly name: string; readonly members: string[]; readonly rest: string }>();
  for (const line of lines) {
    const [, name = "", index = "", rest = line] = /^([^[\]:]+)\[(\d+)\](:.*)$/u.exec(line) ?? [];
    const key = JSON.stringify([name, rest]);
    const known = merged.get(key) ?? { name, members: [], rest };
    known.members.push(index);
    merged.set(key, known);
  }
  return [...merged.values()].map(({ name, members, rest }) => {
    if (name === "") return rest;
    const all = members.map((index) => `${name}[${index}]`);
    const isRun = members.every((index, i) => Number(index) === Number(members[0]) + i);
    return `${members.length > 1 && isRun ? `${all[0]} to ${all.at(-1)}` : all.join(", ")}${rest}`;
  });
}
