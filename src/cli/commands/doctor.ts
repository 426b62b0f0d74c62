/** `gmc doctor`: what gmc finds here. */
import { cpus, totalmem } from "node:os";
import { listDatasets } from "../../runtime/node/datasets.js";
import { automaticAmong, probeEngines } from "../../runtime/engines/registry.js";
import { version } from "../../version.js";
import { FINE, WRONG } from "../exit.js";
import { bytes, json, paint, stdout, wrapped } from "../output.js";

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
  const chosen = automaticAmong(engines)?.name;
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
  const line = (available: boolean, label: string, width: number, text: string): void =>
    stdout(`  ${mark(available)}  ${label.padEnd(width)}  ${wrapped(text, width + 9)}`);
  for (const e of engines) {
    const help = (e.help ?? []).map((text) => `. ${text.replace(/\.$/u, "")}`).join("");
    line(e.available, e.name, name, `${e.detail}${help}${e.name === chosen ? " (--engine auto takes it)" : ""}`);
  }
  stdout(`\n${c.bold("Data sets")}`);
  const longest = Math.max(...datasets.map((d) => d.name.length));
  for (const d of datasets) line(d.available, d.name, longest, d.title);
  return chosen === undefined ? WRONG : FINE;
}
