/** More memory than an engine has to give: what it finds before it allocates, and the error that tells it. */
import { GmcError } from "../graph/errors.js";

export interface MemoryShortage {
  /** GM5423: one tensor is more than the device gives in one piece; GM5427: all of them are more than may be taken. */
  readonly code: "GM5423" | "GM5427";
  /** Bytes. */
  readonly needed: number;
  /** Bytes that there are, and who says so. */
  readonly limit: number;
  readonly source: string;
  /** `the device (NVIDIA H100)` */
  readonly device: string;
  /** The largest of what is needed, as text with lines of the model. */
  readonly largest: readonly string[];
}

/** `batch`: that of the programs, and the largest that there is memory for: 0 where there is none, undefined where the batch is not free. */
export function shortageError(
  { code, needed, limit, source, device, largest }: MemoryShortage,
  what: string,
  batch?: { readonly size: number; readonly fits: number | undefined },
): GmcError {
  const at = batch === undefined ? "" : ` at batch ${batch.size}`;
  const [need, most] = [showBytes(needed), showBytes(limit)];
  const message =
    code === "GM5423"
      ? `${what} needs ${need} in one piece${at}, and ${device} gives at most ${most}`
      : `${what} needs ${need} of memory${at}, and ${device} has ${most} to give: ${source}`;
  return new GmcError(code, message, [
    ...(batch === undefined ? ["Fewer rows at once need less: a smaller batch, or fewer samples a row."] : fitting(batch.fits)),
    ...(largest.length === 0 ? [] : [`The largest: ${largest.join("; ")}.`]),
    "The onnx engine takes the memory of the machine: --engine onnx.",
  ]);
}

function fitting(fits: number | undefined): string[] {
  if (fits === undefined) return [];
  return [fits === 0 ? "Not even a batch of one row fits." : `It fits at batch ${fits}: --batch ${fits}.`];
}

/** `3.1 GB` */
export function showBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${value >= 99.5 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]!}`;
}
