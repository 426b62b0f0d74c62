/**
 * Runs one peer in a process of its own: `node peer.mjs <module> <threads> <data> <steps>`. Answers each line on standard input with one run of
 * `steps` steps, as a line of JSON: milliseconds of each step, the last loss (or what else the suite compares), the most memory so far.
 * A peer module exports `version` and `open({ threads, data, steps })`, which gives `{ step() }`, one step at a time, or `{ run() }`, which
 * does all steps and gives their times.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [module, threads, file, steps] = process.argv.slice(2);
const peer = await import(new URL(module, import.meta.url));
const bytes = readFileSync(file);
const data = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).slice();
const opened = await peer.open({ threads: Number(threads), data, steps: Number(steps) });
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

async function run() {
  if (opened.run) return opened.run();
  const ms = [];
  let last = NaN;
  for (let i = 0; i < Number(steps); i += 1) {
    const start = performance.now();
    last = await opened.step();
    ms.push(performance.now() - start);
  }
  return { ms, last };
}

say({ version: peer.version, note: opened.note });
for await (const _line of createInterface({ input: process.stdin })) {
  const { ms, last } = await run();
  say({ ms, last, peakMiB: process.resourceUsage().maxRSS / 1024 });
}
process.exit(0);
