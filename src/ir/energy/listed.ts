/** Many names, by the first two and the last: `z[1], z[2], …, z[40]`. */
export function shortened(names: readonly string[]): readonly string[] {
  return names.length > 6 ? [...names.slice(0, 2), "…", ...names.slice(-1)] : names;
}

/** Names in a sentence: `` `a`, `b` and `c` ``. */
export function listed(names: readonly string[]): string {
  const quoted = names.map((n) => `\`${n}\``);
  return quoted.length < 2 ? (quoted[0] ?? "") : `${quoted.slice(0, -1).join(", ")} and ${quoted.at(-1)}`;
}
