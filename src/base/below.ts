/** Order of dependence without recursion: for what is deeper than the machine's stack. */

/** What lies below `start`, each once and after what lies below it; `start` itself is left out. */
export function below<T>(start: T, next: (item: T) => Iterable<T>): readonly T[] {
  const found: T[] = [];
  const seen = new Set<T>([start]);
  const open: { readonly item: T; readonly rest: Iterator<T> }[] = [{ item: start, rest: next(start)[Symbol.iterator]() }];
  for (let top = open.at(-1); top; top = open.at(-1)) {
    const step = top.rest.next();
    if (step.done) {
      open.pop();
      if (top.item !== start) found.push(top.item);
    } else if (!seen.has(step.value)) {
      seen.add(step.value);
      open.push({ item: step.value, rest: next(step.value)[Symbol.iterator]() });
    }
  }
  return found;
}
