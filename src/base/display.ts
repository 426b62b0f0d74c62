/**
 * Source text as a terminal shows it: tabs expanded, East Asian wide characters two columns wide, combining marks none,
 * and everything that could steer a terminal or hide from the eye (control characters, bidirectional overrides, zero-width
 * characters, lone surrogates) replaced by something visible.
 */

const tabWidth = 4;

/** Body of a character class: soft hyphens, bidirectional controls, zero-width characters, line separators, annotations. */
export const invisibleClass = "\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\ufff9-\\ufffb";

const invisible = new RegExp(`[${invisibleClass}]`);

function isControl(point: number): boolean {
  return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

/** One character made harmless; unchanged where it is. */
function visibleCharacter(character: string): string {
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x20) return String.fromCodePoint(0x2400 + point);
  if (point === 0x7f) return "\u2421";
  if (isControl(point) || invisible.test(character) || (point >= 0xd800 && point <= 0xdfff)) return "\ufffd";
  return character;
}

/** Text that is safe to print: line feeds stay, every other control character becomes a visible one. */
export function visible(text: string): string {
  let safe = "";
  for (const character of text) safe += character === "\n" ? character : visibleCharacter(character);
  return safe;
}

const combining = /^\p{M}$/u;

const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];

/** Columns that one character takes: 0, 1 or 2 (after Unicode Standard Annex #11). */
export function characterWidth(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x300) return 1;
  if (combining.test(character)) return 0;
  return wideRanges.some(([first, last]) => point >= first && point <= last) ? 2 : 1;
}

export interface DisplayCell {
  readonly text: string;
  readonly column: number;
  readonly width: number;
}

export interface DisplayLine {
  readonly cells: readonly DisplayCell[];
  readonly width: number;
  /** Column at which the character at a UTF-16 offset of the line begins; past the end, the width. */
  readonly columnAt: (offset: number) => number;
}

/** Lays out one line of source, without its line end. */
export function displayLine(text: string): DisplayLine {
  const cells: DisplayCell[] = [];
  const columns: number[] = [];
  let column = 0;
  for (const character of text) {
    const isTab = character === "\t";
    const shown = isTab ? " ".repeat(tabWidth - (column % tabWidth)) : visibleCharacter(character);
    const width = isTab ? shown.length : characterWidth(shown);
    for (let unit = 0; unit < character.length; unit++) columns.push(column);
    cells.push({ text: shown, column, width });
    column += width;
  }
  const total = column;
  return { cells, width: total, columnAt: (offset) => columns[offset] ?? total };
}
