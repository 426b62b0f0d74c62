/** Filters and topics as files of a run and as text. */
import { topEntries, type UnitRows } from "../../runtime/node/filters.js";

/** `filters-encoder.dense1.kernel`; weights that were multiplied joined by `+`. */
export function filterStem(filters: UnitRows): string {
  return `filters-${filters.paths.join("+")}`;
}

/** One line a unit: its number and its words. */
export function topicsText(topics: UnitRows & { readonly entries: readonly string[] }, count: number, titled: boolean): string {
  const units = topEntries(topics, count);
  const width = String(units.length).length;
  const lines = units.map((words, i) => `${String(i + 1).padStart(width)}  ${words.map((w) => w.entry).join(" ")}`);
  return [...(titled ? [topics.paths.join(" · ")] : []), ...lines].join("\n");
}
