/**
 * The interaction graph of an energy as an SVG: observed variables below, hidden ones above by their distance from them, a loop at a variable
 * whose units interact. Deterministic, without fonts or scripts from elsewhere.
 */
import { neighbours } from "../ir/energy/graph.js";
import type { DeriveContext } from "../ir/derive/context.js";
import type { EnergyAnalysis } from "../ir/energy/index.js";
import { showDomain } from "../ir/shapes.js";
import { interactionsOf } from "./explain-energy.js";

const row = 90;
const edge = 50;
/** Of a letter, about: of names, and of what is written under them. */
const letter = { name: 7.5, label: 5.5 };

export function interactionSvg(context: DeriveContext, analysis: EnergyAnalysis): string {
  const layers = layersOf(analysis);
  const labels = new Map(
    [...analysis.variable].map(([name, { domain }]): [string, string] => [
      name,
      `${showDomain(domain)}${domain.atMostOne ? ` at_most_one(${domain.atMostOne.join(", ")})` : ""}`,
    ]),
  );
  const interactions = interactionsOf(context, analysis);
  const widest = Math.max(...[...labels].map(([name, label]) => Math.max(2 * radius(name), letter.label * label.length)));
  const column = Math.max(150, widest + 20);
  const margin = Math.max(edge, widest / 2 + 10);
  const width = 2 * margin + column * Math.max(0, ...layers.map((l) => l.length - 1));
  const height = 2 * edge + row * Math.max(0, layers.length - 1);
  const places = new Map(
    layers.flatMap((layer, level) =>
      layer.map((name, i): [string, readonly [number, number]] => [
        name,
        [width / 2 + (i - (layer.length - 1) / 2) * column, height - edge - level * row],
      ]),
    ),
  );
  const at = (name: string): readonly [number, number] => places.get(name) ?? [0, 0];
  const titleOf = (a: string, b: string): string =>
    `<title>${escaped(`${a} -- ${b} in ${interactions.find((i) => i.a === a && i.b === b)?.terms.join(", ") ?? ""}`)}</title>`;
  const edges = analysis.edges.map(({ a, b }) => {
    const [[x1, y1], [x2, y2]] = [at(a), at(b)];
    // within a layer the line bends around what stands between
    const bend = y1 === y2 ? -row / 3 : 0;
    return `<path d="M ${x1} ${y1} Q ${(x1 + x2) / 2} ${(y1 + y2) / 2 + bend} ${x2} ${y2}">${titleOf(a, b)}</path>`;
  });
  const nodes = analysis.variables.map((name) => {
    const [x, y] = at(name);
    const variable = analysis.variable.get(name);
    const law = analysis.laws.get(name)?.kind;
    const [rx, label] = [radius(name), escaped(labels.get(name) ?? "")];
    const loop =
      law === "coupled" || law === "jointNormal"
        ? `<circle class="loop" cx="${x + rx}" cy="${y - 14}" r="12">${titleOf(name, name)}</circle>`
        : "";
    const kind = variable?.role === "data" ? "data" : "latent";
    return [
      `${loop}<ellipse class="${kind}" cx="${x}" cy="${y}" rx="${rx}" ry="20"><title>${escaped(name)} : ${label}, ${law ?? ""}</title></ellipse>`,
      `<text x="${x}" y="${y + 4}">${escaped(name)}</text><text class="label" x="${x}" y="${y + 33}">${label}</text>`,
    ].join("\n");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    "<style>path, .loop { stroke: #777; stroke-width: 1.5; fill: none } .data { fill: #ddd; stroke: #333 } .latent { fill: #fff; stroke: #333 } text { font: 12px sans-serif; text-anchor: middle } .label { font-size: 9px; fill: #555; stroke: #fff; stroke-width: 3; paint-order: stroke }</style>",
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...edges,
    ...nodes,
    "</svg>",
    "",
  ].join("\n");
}

/** Half the width of a node. */
function radius(name: string): number {
  return Math.max(20, (letter.name * name.length) / 2 + 8);
}

/** Observed variables, then by distance from them; what nothing observed reaches stands in the second layer. */
function layersOf(analysis: EnergyAnalysis): readonly (readonly string[])[] {
  const level = new Map<string, number>();
  let front = analysis.variables.filter((v) => analysis.variable.get(v)?.role === "data");
  for (let depth = 0; front.length > 0; depth++) {
    for (const name of front) level.set(name, depth);
    front = analysis.variables.filter((v) => !level.has(v) && [...neighbours(analysis.edges, v)].some((n) => level.has(n)));
  }
  const levels = analysis.variables.map((v) => level.get(v) ?? 1);
  const depth = Math.max(0, ...levels);
  return Array.from({ length: depth + 1 }, (_, d) => analysis.variables.filter((_v, i) => levels[i] === d)).filter((l) => l.length > 0);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
