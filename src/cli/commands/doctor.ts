/** `gmc doctor`: what gmc finds here. */
import { cpus, totalmem } from "node:os";
import { listDatasets } from "../../runtime/node/datasets.js";
import { probeEngines, suitsAuto } from "../../runtime/engines/registry.js";
import { version } from "../../version.js";
import { FINE, WRONG } from "../exit.js";
import { bytes, json, paint, stdout, table } from "../output.js";

interface DoctorFlags {
  readonly json?: boolean;
}

export async function doctorCommand(flags: DoctorFlags): Promise<number> {
  const engines = await probeEngines();
  const datasets = listDatasets();
  const processors = cpus();
  const machine = {
    platform: `${process.platform} ${process.arch}`,
    processor: processors[0]?.model.trim() ?? "unknown",
    threads: processors.length,
    memory: totalmem(),
  };
  const chosen = engines.find(suitsAuto)?.name;
  if (flags.json) {
    json({ gmc: version, node: process.versions.node, machine, engines, auto: chosen ?? null, datasets });
    return chosen === undefined ? WRONG : FINE;
  }
  const c = paint();
  const mark = (good: boolean): string => (good ? c.green("yes") : c.yellow("no "));
  stdout(`gmc ${version}, Node ${process.versions.node}, ${machine.platform}`);
  stdout(`${machine.processor}, ${machine.threads} threads, ${bytes(machine.memory)} memory\n`);
  stdout(c.bold("Engines"));
  const name = Math.max(...engines.map((e) => e.name.length));
  for (const e of engines)
    stdout(`  ${mark(e.available)}  ${e.name.padEnd(name)}  ${e.detail}${e.name === chosen ? "  (--engine auto takes it)" : ""}`);
  stdout(`\n${c.bold("Data sets")}`);
  const rows = table(datasets.map((d) => [d.name, d.title])).split("\n");
  datasets.forEach((d, i) => stdout(`  ${mark(d.available)}  ${rows[i] ?? ""}`));
  return chosen === undefined ? WRONG : FINE;
}
