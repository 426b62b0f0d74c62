/** Helpers for writing WGSL. */

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Each text on a line of its own, indented, with a line break at the end; nothing for no texts. */
export const lines = (indent: number, texts: readonly string[]): string => texts.map((t) => `${" ".repeat(indent)}${t}\n`).join("");

/** `text % n`, and `text / n` where what is left has the extent `rest`. Texts are products or single names. */
export const within = (text: string, n: number): string => (n === 1 ? "0u" : `${text} % ${n}u`);
export const over = (text: string, n: number, rest: number): string => (rest === 1 ? "0u" : n === 1 ? text : `${text} / ${n}u`);

/** `text + n`, `text * n` */
export function plus(text: string, n: number): string {
  if (n === 0) return text;
  return text === "0u" && n > 0 ? `${n}u` : n < 0 ? `${text} - ${-n}u` : `${text} + ${n}u`;
}
export const times = (text: string, n: number): string => (n === 1 || text === "0u" ? text : `${text} * ${n}u`);

export const component = (i: number): string => "xyzw"[i & 3]!;

/**
 * WGSL that finds the tile of a workgroup, or returns: `total` tiles over a grid that is `across` wide. Indices are divided in u32, so no
 * count of tiles can outgrow one dimension of a dispatch. Gives `batch`, `firstRow`, `firstColumn`; tiles go along the columns first.
 */
export function findTile(across: number, total: number, whole: boolean, down: number, right: number, tileM: number, tileN: number): string {
  return lines(2, [
    across >= total ? "let tile = group.x;" : `let tile = group.y * ${across}u + group.x;`,
    ...(whole ? [] : [`if (tile >= ${total}u) { return; }`]),
    `let batch = ${over("tile", down * right, Math.round(total / (down * right)))};`,
    `let firstRow = ${times(down === 1 ? "0u" : over(`(${within("tile", down * right)})`, right, down), tileM)};`,
    `let firstColumn = ${times(within("tile", right), tileN)};`,
  ]);
}

/** A grid of at least `total` workgroups that keeps to the limit of a dimension. */
export function gridOf(total: number, limit: number): readonly [number, number, number] {
  const down = Math.max(1, Math.ceil(total / limit));
  return [Math.ceil(total / down), total === 0 ? 0 : down, 1];
}
