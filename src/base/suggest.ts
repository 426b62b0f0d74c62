/**
 * "Did you mean": the candidate nearest to a name, by the Damerau-Levenshtein distance (optimal string alignment),
 * where a difference in case alone counts as nearest. A far candidate is no help, so the distance is limited to about a third of the name; and with
 * one of two letters changed a name is another, so that a candidate for so short a name has both of them.
 */

/** Number of insertions, deletions, substitutions and swaps of neighbours between two texts; `limit + 1` where it is more than `limit`. */
export function editDistance(a: string, b: string, limit = Infinity): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(substitution, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      row.push(best);
    }
    // A swap reaches back two rows, so both must be past the limit.
    if (Math.min(...row, ...last) > limit) return limit + 1;
    beforeLast = last;
    last = row;
  }
  return Math.min(last[b.length] ?? 0, limit + 1);
}

/** The candidate that the user most likely meant by `name`, or undefined. Ties go to the earlier candidate. */
export function didYouMean(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > 64) return undefined;
  const limit = Math.max(1, Math.floor((name.length + 1) / 3));
  const wanted = plain(name);
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    if (candidate === name || (name.length === 2 && !holdsLetters(wanted, plain(candidate)))) continue;
    // Only a nearer one is of interest, and next to one edit nothing is nearer but a change of case.
    const within = Math.ceil(bestDistance) - 1;
    const distance = plain(candidate) === wanted ? 0.5 : within < 1 ? Infinity : editDistance(name, candidate, within);
    // A one-letter name is one edit from every other: only a change of case is a hint there.
    if (distance < bestDistance && (distance < 1 || name.length > 1)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function holdsLetters(short: string, long: string): boolean {
  return [...short].every((letter) => long.includes(letter));
}

function plain(text: string): string {
  const lower = text.toLowerCase();
  return lower.includes("_") || lower.includes("-") ? lower.replaceAll(/[_-]/g, "") : lower;
}

/** `didYouMean` as a help line: `[]` or ["did you mean `decoder`?"]. */
export function didYouMeanHelp(name: string, candidates: Iterable<string>): readonly string[] {
  const candidate = didYouMean(name, candidates);
  return candidate === undefined ? [] : [`did you mean \`${candidate}\`?`];
}
