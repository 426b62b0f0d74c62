/** The ends of a scale of grey, or of an axis, for the values of a column. */
import type { Column } from "./dataset.js";
import { byteExtent } from "./domains.js";

/** What pictures show as black and white: the ends of a bounded domain, else three deviations around the mean, within the values. */
export function displayRange(column: Column): readonly [number, number] {
  const { variable, source, scale } = column;
  switch (variable.domain) {
    case "binary":
    case "unit":
    case "simplex":
      return [0, 1];
    case "byte":
      return [0, (variable.levels ?? 256) - 1];
    case "category":
      return [0, Math.max(1, (variable.classes ?? 2) - 1)];
    default:
      break;
  }
  if (source instanceof Uint8Array) {
    const { low, high } = byteExtent(source);
    // Bytes of a picture use their whole range.
    return source.length === 0 ? [0, 1] : [low * scale, Math.max(high * scale, (low + 1) * scale)];
  }
  if (column.sparse !== undefined)
    return [
      0,
      Math.max(
        1,
        Array.from(source).reduce((top, value) => Math.max(top, value), 0),
      ),
    ];
  let count = 0;
  let sum = 0;
  let squares = 0;
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < source.length; i++) {
    const value = source[i]! * scale;
    if (Number.isNaN(value)) continue;
    count++;
    sum += value;
    squares += value * value;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (count === 0) return [0, 1];
  const mean = sum / count;
  const reach = 3 * Math.sqrt(Math.max(0, squares / count - mean * mean));
  const ends: [number, number] = [Math.max(low, mean - reach), Math.min(high, mean + reach)];
  return ends[1] > ends[0] ? ends : [low - 0.5, low + 0.5];
}
