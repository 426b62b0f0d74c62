/**
 * The cheapest one-to-one assignment of n rows to n columns, exactly: shortest augmenting paths with dual prices (Jonker & Volgenant 1987, "A Shortest
 * Augmenting Path Algorithm for Dense and Sparse Linear Assignment Problems"). Takes at most n^3 steps; where prices settle most rows at once, far fewer.
 */

/** The column of each row, of finite costs [n, n]. */
export function assignment(cost: Float64Array, n: number): Int32Array {
  const columnOf = new Int32Array(n).fill(-1);
  const rowOf = new Int32Array(n).fill(-1);
  // prices: cost[i, j] - rowPrice[i] - columnPrice[j] >= 0 throughout, and 0 where i has j
  const columnPrice = new Float64Array(n);
  const rowPrice = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    let least = Infinity;
    for (let i = 0; i < n; i++) least = Math.min(least, cost[i * n + j]!);
    columnPrice[j] = least;
  }
  for (let i = 0; i < n; i++) {
    let [least, at] = [Infinity, -1];
    for (let j = 0; j < n; j++) {
      const rest = cost[i * n + j]! - columnPrice[j]!;
      if (rest < least || (rest === least && rowOf[j] === -1 && rowOf[at] !== -1)) [least, at] = [rest, j];
    }
    rowPrice[i] = least;
    if (rowOf[at] === -1) [rowOf[at], columnOf[i]] = [i, at];
  }
  const distance = new Float64Array(n);
  const before = new Int32Array(n);
  const done = new Uint8Array(n);
  for (let free = 0; free < n; free++) {
    if (columnOf[free] !== -1) continue;
    // Dijkstra's algorithm from the free row to the nearest free column, by the costs left over
    distance.fill(Infinity);
    done.fill(0);
    let row = free;
    let reached = 0;
    let end = -1;
    while (end === -1) {
      const price = rowPrice[row]!;
      let [least, at] = [Infinity, -1];
      for (let j = 0, k = row * n; j < n; j++, k++) {
        if (done[j] === 1) continue;
        const through = reached + cost[k]! - price - columnPrice[j]!;
        if (through < distance[j]!) {
          distance[j] = through;
          before[j] = row;
        }
        if (distance[j]! < least || (distance[j] === least && rowOf[j] === -1)) {
          least = distance[j]!;
          at = j;
        }
      }
      reached = least;
      done[at] = 1;
      if (rowOf[at] === -1) end = at;
      else row = rowOf[at]!;
    }
    rowPrice[free]! += reached;
    for (let j = 0; j < n; j++) {
      if (done[j] === 0 || j === end) continue;
      columnPrice[j]! += distance[j]! - reached;
      rowPrice[rowOf[j]!]! += reached - distance[j]!;
    }
    for (let j = end; ;) {
      const i = before[j]!;
      const next = columnOf[i]!;
      [rowOf[j], columnOf[i]] = [i, j];
      if (i === free) break;
      j = next;
    }
  }
  return columnOf;
}
