/** `reconstruction(p, q)` as a line of `evaluate`: how far the data lie from what the model makes of their latents. */
import { add, type Key, type Rows, rowsOf, square, sub, type Tensor } from "../graph/index.js";
import { GmcError } from "../graph/errors.js";
import { sumLast } from "../graph/last-axes.js";
import type { Draw } from "../model.js";

type Sampler<W> = (w: W, key: Key, rows: Rows, given: Readonly<Record<string, Tensor>>) => Draw;

/**
 * Squared error per row, [B], summed over the entries of the variables `names`: latents drawn by q, then E[x | latents] by p (a draw where p
 * has no mean). Those of `sums` p draws given their sum, that of the data.
 */
export function rowReconstructionError<W>(
  context: { readonly w: W; readonly data: Readonly<Record<string, Tensor>>; readonly key: Key },
  p: Sampler<W>,
  q: Sampler<W>,
  names: readonly string[],
  sums: readonly string[] = [],
): Tensor {
  const { w, data, key } = context;
  const [first] = Object.values(data);
  if (!first) throw new GmcError("GM4002", "a reconstruction needs data");
  const rows = rowsOf(first);
  const latents = q(w, key.at("q"), rows, data).values;
  const others = Object.fromEntries(Object.entries(data).filter(([name]) => !names.includes(name) || sums.includes(name)));
  const { values, means } = p(w, key.at("p"), rows, { ...others, ...latents });
  const errors = names.flatMap((name) => {
    const [x, shown] = [data[name], means[name] ?? values[name]];
    if (!x || !shown) return [];
    return [sumLast(square(sub(x, shown)), x.shape.length - 1)];
  });
  return errors.reduce((total, e) => add(total, e));
}
