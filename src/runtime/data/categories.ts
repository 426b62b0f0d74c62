/** Codes of category variables: 0 .. K-1, -1 for a missing value of an optional variable. */
import type { DataArray } from "./array.js";
import { muLaw } from "./audio.js";
import { forbidden, type ColumnContext } from "./column-context.js";

export function categoryCodes(context: ColumnContext, array: DataArray): Int32Array {
  const classes = context.spec.classes ?? 0;
  const optional = context.spec.optional === true;
  const expected = `a category 0..${classes - 1}${optional ? ", or -1 where it is missing" : ""}`;
  const translate = translation(context, array);
  const codes = new Int32Array(array.data.length);
  if (array.audio !== undefined) {
    for (let i = 0; i < codes.length; i++) {
      const sample = array.data[i]!;
      if (!Number.isFinite(sample)) throw forbidden(context, i, "a finite sample", sample);
      codes[i] = muLaw(sample, classes);
    }
    return codes;
  }
  for (let i = 0; i < codes.length; i++) {
    const raw = array.data[i]!;
    const value = Number.isNaN(raw) ? -1 : translate === undefined || raw < 0 ? raw : translate[raw]!;
    if (value === -1 && optional) {
      codes[i] = -1;
      continue;
    }
    if (!Number.isInteger(value) || value < 0 || value >= classes) {
      const found = array.labels !== undefined && raw >= 0 ? `${value} (${array.labels[raw]})` : Number.isNaN(raw) ? NaN : value;
      throw forbidden(context, i, expected, found, help(context, array, value, classes));
    }
    codes[i] = value;
  }
  return codes;
}

/** Codes of this split's labels among the training labels; a label that training never saw gets the next code, which the range check refuses. */
function translation(context: ColumnContext, array: DataArray): Int32Array | undefined {
  if (array.labels === undefined || context.labels === undefined) return undefined;
  const known = context.labels;
  return Int32Array.from(array.labels, (label) => {
    const code = known.indexOf(label);
    return code < 0 ? Math.max(known.length, context.spec.classes ?? 0) : code;
  });
}

function help(context: ColumnContext, array: DataArray, value: number, classes: number): readonly string[] {
  if (value === -1 || Number.isNaN(value))
    return [
      context.alone
        ? "leave rows with missing values out of the file"
        : `a variable with missing values is declared as category[${classes}]?`,
    ];
  if (context.labels !== undefined)
    return [
      `the training rows have ${context.labels.length} labels: ${context.labels.slice(0, 12).join(", ")}${context.labels.length > 12 ? ", …" : ""}`,
    ];
  let low = Infinity;
  let high = -Infinity;
  for (const each of array.data) {
    if (each < low) low = each;
    if (each > high) high = each;
  }
  if (!Number.isInteger(value)) return ["categories are whole numbers or text"];
  return [
    `the ${context.split === undefined ? "" : `${context.split} `}rows hold ${low}..${high}${low === 1 && high === classes ? ": categories count from 0, subtract 1" : ""}`,
  ];
}
