/**
 * Families of variables as pictures show them. `x[1]` to `x[T]` are one sequence: of numbers, a line; of vectors of bounded values, a picture of T rows.
 * Other members are looked at one by one.
 */
import { familiesOf, type Family } from "../../runtime/data/families.js";
import type { RowsByName } from "../../runtime/eval/session.js";
import type { StreamSpec, VariableSpec } from "../../runtime/model.js";

type Rows = RowsByName[string];

const BOUNDED: ReadonlySet<string> = new Set(["binary", "unit", "byte"]);

interface Sequence {
  readonly family: Family;
  readonly spec: VariableSpec;
}

function sequencesOf(variables: StreamSpec): readonly Sequence[] {
  return familiesOf(variables).flatMap((family) => {
    const first = variables[family.members[0]!];
    const isShown = first && (family.width === 1 || (first.shape.length === 1 && BOUNDED.has(first.domain)));
    const event = family.width === 1 ? [] : (first?.shape ?? []);
    return isShown ? [{ family, spec: { ...first, shape: [family.members.length, ...event] } }] : [];
  });
}

/** Variables with each sequence beside its members, under the family's name. */
export function withSequences(variables: StreamSpec): StreamSpec {
  const whole = sequencesOf(variables).map(({ family, spec }) => [family.name, spec] as const);
  return whole.length === 0 ? variables : { ...variables, ...Object.fromEntries(whole) };
}

/** Rows with each sequence, [rows, T, ...], in place of its members, where all of them are there. */
export function asSequences(rows: RowsByName, variables: StreamSpec): RowsByName {
  let joined = rows;
  for (const { family, spec } of sequencesOf(variables)) {
    const members = family.members.flatMap((name) => joined[name] ?? []);
    if (members.length < family.members.length) continue;
    const own = new Set(family.members);
    const others = Object.entries(joined).filter(([name]) => !own.has(name));
    joined = { ...Object.fromEntries(others), [family.name]: joinedRows(members, spec) };
  }
  return joined;
}

function joinedRows(members: readonly Rows[], { shape }: VariableSpec): Rows {
  const rows = members[0]?.shape[0] ?? 0;
  const width = (members[0]?.data.length ?? 0) / Math.max(1, rows);
  const data = Float32Array.from({ length: rows * members.length * width }, (_, i) => {
    const [row, step] = [Math.floor(i / (members.length * width)), Math.floor(i / width) % members.length];
    return members[step]?.data[row * width + (i % width)] ?? 0;
  });
  return { shape: [rows, ...shape], data };
}
