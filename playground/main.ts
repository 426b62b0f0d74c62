/** The page: a box with a model, what the compiler says of it, and a training that one can watch. */
import type { Engine } from "../src/runtime/engines/engine.js";
import { chooseEngine } from "../src/runtime/engines/registry.js";
import { GmcError } from "../src/runtime/graph/errors.js";
import { dataVariable, sourceOf, sources, type Rows, type Source } from "./data.js";
import { check, loadModel, type Checked } from "./model.js";
import { beginnings } from "./models.js";
import { drawCurve, drawRows } from "./pictures.js";
import { trainInPage, type Point } from "./training.js";

function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

const page = {
  beginning: element("beginning", HTMLSelectElement),
  data: element("data", HTMLSelectElement),
  file: element("file", HTMLInputElement),
  source: element("source", HTMLTextAreaElement),
  train: element("train", HTMLButtonElement),
  stop: element("stop", HTMLButtonElement),
  steps: element("steps", HTMLInputElement),
  seed: element("seed", HTMLInputElement),
  status: element("status", HTMLParagraphElement),
  problems: element("problems", HTMLPreElement),
  explanation: element("explanation", HTMLPreElement),
  typescript: element("typescript", HTMLPreElement),
  curve: element("curve", HTMLCanvasElement),
  samples: element("samples", HTMLCanvasElement),
  engine: element("engine", HTMLSpanElement),
};

/** Rows to train on. */
const ROWS = 4000;

let own: readonly Source[] = [];
let checked: Checked = { problems: "", derived: undefined };
let running: AbortController | undefined;

const offered = (): readonly Source[] => [...own, ...sources];

function compileBox(): void {
  checked = check(page.source.value);
  page.problems.textContent = checked.problems;
  page.source.classList.toggle("wrong", checked.derived === undefined);
  page.train.disabled = running !== undefined || checked.derived === undefined;
  if (checked.derived === undefined) return;
  page.explanation.textContent = checked.derived.explanation;
  page.typescript.textContent = checked.derived.typescript;
}

function fillData(): void {
  const kept = page.data.value;
  page.data.replaceChildren(...offered().map(({ name }) => new Option(name, name, false, name === kept)));
}

function take(index: number): void {
  const beginning = beginnings[index];
  if (!beginning) return;
  page.source.value = beginning.text;
  page.steps.value = String(beginning.steps);
  page.data.value = beginning.data;
  compileBox();
}

async function train(engine: Engine): Promise<void> {
  if (checked.derived === undefined || running) return;
  running = new AbortController();
  page.train.disabled = true;
  page.stop.disabled = false;
  page.problems.textContent = checked.problems;
  try {
    const model = await loadModel(checked.derived.javascript);
    const seed = Number(page.seed.value);
    const data = rowsFor(dataVariable(model), seed, model.streams.length);
    const points: Point[] = [];
    let samples: Rows | undefined;
    drawRows(page.samples, data, undefined);
    const outcome = await trainInPage(
      model,
      { engine, data, steps: Number(page.steps.value), seed, signal: running.signal },
      {
        onPoint: (label, point, speed) => {
          points.push(point);
          page.status.textContent = `step ${point.step} of ${page.steps.value}, ${label} ${point.value.toPrecision(4)}, ${Math.round(speed)} steps/s`;
          // what the page shows in words, for programs
          page.status.dataset["first"] = String(points[0]?.value);
          page.status.dataset["value"] = String(point.value);
          drawCurve(page.curve, label, points);
        },
        onSamples: (rows) => {
          samples = rows;
          drawRows(page.samples, data, samples);
        },
      },
    );
    page.status.textContent += outcome === "interrupted" ? ", stopped" : ", done";
  } catch (error) {
    page.status.textContent = "";
    page.problems.textContent = messageOf(error);
  } finally {
    running = undefined;
    page.stop.disabled = true;
    page.train.disabled = checked.derived === undefined;
  }
}

/** Undefined for a model that is fitted without data. */
function rowsFor(variable: ReturnType<typeof dataVariable>, seed: number, streams: number): Rows | undefined {
  if (variable === undefined) {
    if (streams === 0) return undefined;
    throw new Error("this page feeds models of one data variable; train the others with `gmc train`");
  }
  const chosen = offered().find(({ name }) => name === page.data.value);
  const source = chosen?.fits(variable.spec) ? chosen : offered().find((s) => s.fits(variable.spec));
  if (!source) throw new Error(`no data here fit ${variable.name}: bring a CSV of ${variable.spec.shape.join(" x ") || "one"} columns`);
  page.data.value = source.name;
  return source.draw(variable.spec, ROWS, seed);
}

function messageOf(error: unknown): string {
  if (error instanceof GmcError) return [`error[${error.code}]: ${error.message}`, ...error.help.map((h) => `  = help: ${h}`)].join("\n");
  return error instanceof Error ? error.message : String(error);
}

async function addFile(): Promise<void> {
  const [file] = page.file.files ?? [];
  if (!file) return;
  try {
    own = [sourceOf(file.name, await file.text()), ...own];
    fillData();
    page.data.value = file.name;
  } catch (error) {
    page.problems.textContent = messageOf(error);
  }
}

function showTab(name: string): void {
  for (const tab of document.querySelectorAll<HTMLElement>("[data-tab]")) {
    tab.setAttribute("aria-selected", String(tab.dataset["tab"] === name));
    const panel = document.getElementById(tab.dataset["tab"] ?? "");
    if (panel) panel.hidden = tab.dataset["tab"] !== name;
  }
}

const { engine, why } = await chooseEngine(new URLSearchParams(location.search).get("engine") ?? "auto");
page.engine.textContent = `engine ${why}`;
page.beginning.replaceChildren(...beginnings.map(({ name }, i) => new Option(name, String(i))));
fillData();
take(0);
let typing: ReturnType<typeof setTimeout> | undefined;
page.source.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(compileBox, 150);
});
page.beginning.addEventListener("change", () => take(Number(page.beginning.value)));
page.file.addEventListener("change", () => void addFile());
page.train.addEventListener("click", () => void train(engine));
page.stop.addEventListener("click", () => running?.abort());
for (const tab of document.querySelectorAll<HTMLElement>("[data-tab]"))
  tab.addEventListener("click", () => showTab(tab.dataset["tab"] ?? ""));
document.body.dataset["ready"] = "true";
