/** Data that are cut into splits otherwise than those of a run: rows that it trained on may be called test rows. */
import { resolve } from "node:path";
import { parseDataSpec, type DataSpec } from "../../runtime/data/spec.js";
import type { RunSettings } from "./settings.js";

type NamedData = RunSettings["data"];

/** What to say where `now` takes training rows from a source of the run, and cuts them otherwise; undefined where it does not. */
export function otherSplit(run: NamedData, now: NamedData): string | undefined {
  const [before, asked] = [parseDataSpec(run.spec), parseDataSpec(now.spec)];
  const known = new Set(trainingSources(before, run.base));
  if (!trainingSources(asked, now.base).some((source) => known.has(source))) return undefined;
  const [a, b] = [cutOf(before), cutOf(asked)];
  if (a === b) return undefined;
  return `the run cut these data by ${a}, and now they are cut by ${b}: rows called test or validation may be rows that the run trained on`;
}

function trainingSources({ items }: DataSpec, base: string): readonly string[] {
  return items.filter((item) => item.split === "train").map(({ source }) => (/[./\\]/.test(source) ? resolve(base, source) : source));
}

/** `:test=60:split-seed=4`, as options are written; what is left out has its default. */
function cutOf({ splits }: DataSpec): string {
  const sizes = (["validation", "test"] as const).filter((name) => (splits[name] ?? 0) > 0).map((name) => `:${name}=${splits[name]}`);
  if (sizes.length === 0) return "nothing";
  const how = splits.split === "tail" ? ":split=tail" : `:split-seed=${splits.splitSeed ?? 0}`;
  return `${sizes.join("")}${how}`;
}
