/**
 * Plots as SVG text: curves of metrics, points and densities in the plane, histograms, lines. Vega draws them without a browser; it is loaded when the
 * first plot is asked for.
 */
import type { Spec } from "vega";

/** Okabe and Ito's colours, which all readers can tell apart. */
const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];

const config: NonNullable<Spec["config"]> = {
  background: "white",
  axis: {
    gridColor: "#e6e6e6",
    domainColor: "#888",
    tickColor: "#888",
    labelColor: "#333",
    titleColor: "#333",
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 8,
  },
  title: { fontSize: 14, fontWeight: "normal", anchor: "start", color: "#222" },
  legend: { labelFontSize: 11, titleFontSize: 11, symbolStrokeWidth: 2 },
};

/** Draws a Vega specification. */
export async function renderSvg(spec: Spec): Promise<string> {
  const vega = await import("vega");
  const view = new vega.View(vega.parse({ ...spec, config }), { renderer: "none", logLevel: vega.Error });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

export interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** Drawn as dots joined by a line; for the few values of a validation split. */
  readonly dots?: boolean;
  /** Drawn in the colour of this number; its place among the series unless told. */
  readonly colour?: number;
  readonly dashed?: boolean;
}

export interface CurveOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Leaves the first twentieth of the points out of the axis' range, where they would flatten the rest; they run off the edge. */
  readonly settle?: boolean;
  /** What 1, 2, … on the x axis are called. */
  readonly entries?: readonly string[];
}

/** A long name in a legend is cut in its middle: names of curves begin alike, and end in what tells them apart. */
const CUT = "length(datum.label) > 30 ? slice(datum.label, 0, 11) + '…' + slice(datum.label, -18) : datum.label";

/** Curves over steps, epochs or entries. */
export function drawCurves(series: readonly Series[], options: CurveOptions): Promise<string> {
  const shown = series.filter((each) => each.points.some((point) => Number.isFinite(point.y)));
  const values = shown.flatMap((each) =>
    each.points.filter((point) => Number.isFinite(point.y)).map((point) => ({ ...point, series: each.name })),
  );
  const settled = shown.flatMap((each) =>
    each.points
      .slice(options.settle === true ? Math.floor(each.points.length / 20) : 0)
      .map((point) => point.y)
      .filter(Number.isFinite),
  );
  const names = shown.map((each) => each.name);
  const dotted = shown.filter((each) => each.dots === true || each.points.length === 1).map((each) => each.name);
  const stroke = { scale: "colour", field: "series" } as const;
  const anyDashed = shown.some((each) => each.dashed === true);
  const { entries = [] } = options;
  return renderSvg({
    width: 560,
    height: 320,
    padding: 10,
    title: { text: options.title },
    signals: [{ name: "entries", value: [...entries] }],
    data: [
      { name: "points", values },
      { name: "dots", source: "points", transform: [{ type: "filter", expr: `indexof(${JSON.stringify(dotted)}, datum.series) >= 0` }] },
    ],
    scales: [
      { name: "x", type: "linear", domain: { data: "points", field: "x" }, range: "width", nice: false, zero: false },
      { name: "y", type: "linear", domain: padded(settled), range: "height", nice: true, zero: false },
      {
        name: "colour",
        type: "ordinal",
        domain: names,
        range: shown.map((each, i) => colours[(each.colour ?? i) % colours.length] ?? "black"),
      },
      // a scale, so that the legend has it too; Vega takes lists of lengths there, its types do not
      { name: "dash", type: "ordinal", domain: names, range: shown.map((each) => (each.dashed === true ? [4, 3] : [1, 0])) as never },
    ],
    axes: [
      {
        orient: "bottom",
        scale: "x",
        title: options.x,
        grid: true,
        ...(entries.length === 0
          ? { tickCount: 8, tickMinStep: options.x === "entry" ? 1 : undefined }
          : {
              values: entries.map((_, i) => i + 1),
              // slanted names take as much of the axis as they are high
              labelOverlap: entries.length > 48,
              // names of some length side by side would hide one another
              ...(entries.join("").length > 60 ? { labelAngle: -45, labelAlign: "right", labelLimit: 120 } : {}),
              encode: { labels: { update: { text: { signal: "entries[datum.value - 1]" } } } },
            }),
      },
      { orient: "left", scale: "y", title: options.y, grid: true, tickCount: 6 },
    ],
    legends:
      names.length > 1
        ? [
            {
              stroke: "colour",
              ...(anyDashed ? { strokeDash: "dash" } : {}),
              orient: "right",
              symbolType: "stroke",
              labelLimit: 0,
              encode: { labels: { update: { text: { signal: CUT } } } },
            },
          ]
        : [],
    marks: [
      {
        type: "group",
        clip: true,
        encode: { enter: { width: { signal: "width" }, height: { signal: "height" } } },
        marks: [
          {
            type: "group",
            from: { facet: { name: "line", data: "points", groupby: "series" } },
            marks: [
              {
                type: "line",
                from: { data: "line" },
                encode: {
                  enter: {
                    x: { scale: "x", field: "x" },
                    y: { scale: "y", field: "y" },
                    stroke,
                    ...(anyDashed ? { strokeDash: { scale: "dash", field: "series" } } : {}),
                    strokeWidth: { value: 1.6 },
                    strokeJoin: { value: "round" },
                  },
                },
              },
            ],
          },
          {
            type: "symbol",
            from: { data: "dots" },
            encode: { enter: { x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" }, fill: stroke, size: { value: 28 } } },
          },
        ],
      },
    ],
  });
}

export interface PointSet {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface PlaneOptions {
  readonly title: string;
  /** The corners of the window; absent: what holds 99 in 100 of the points, with a margin. */
  readonly window?: Window;
  /** Values of a density on an even grid over the window, row by row from the top, drawn as shades below the points. */
  readonly density?: { readonly rows: number; readonly columns: number; readonly values: ArrayLike<number> };
  /** What the axes are called. */
  readonly entries?: readonly string[];
  /** A thin line from each point of the first set to that of the second with its number. */
  readonly joined?: boolean;
}

export interface Window {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

/** Points in the plane, one colour a set, over the shades of a density. Both axes have one scale, unless one is more than three times as long. */
export async function drawPlane(sets: readonly PointSet[], options: PlaneOptions): Promise<string> {
  const window = options.window ?? planeWindow(sets);
  const side = 420;
  const ratio = (window.y[1] - window.y[0]) / (window.x[1] - window.x[0]);
  const names = sets.map((set) => set.name);
  const values = sets.flatMap((set) => set.points.map(([x, y]) => ({ x, y, set: set.name })));
  const [from, to] = options.joined === true ? sets : [];
  const joins = (from?.points ?? []).flatMap(([x, y], i) => {
    const [x2, y2] = to?.points[i] ?? [];
    return x2 === undefined || y2 === undefined ? [] : [{ x, y, x2, y2 }];
  });
  const many = Math.max(1, ...sets.map((set) => set.points.length));
  const axis = { grid: options.density === undefined, zindex: options.density === undefined ? 0 : 1, tickCount: 6 };
  return renderSvg({
    width: side,
    height: ratio > 1 / 3 && ratio < 3 ? Math.round(side * ratio) : side,
    padding: 10,
    title: { text: options.title },
    data: [
      { name: "points", values },
      { name: "joins", values: joins },
      { name: "shades", values: options.density === undefined ? [] : [{ url: await shadesUrl(options.density) }] },
    ],
    scales: [
      { name: "x", type: "linear", domain: [...window.x], range: "width", nice: false, zero: false },
      { name: "y", type: "linear", domain: [...window.y], range: "height", nice: false, zero: false },
      { name: "colour", type: "ordinal", domain: names, range: options.density === undefined ? colours : ["#D55E00", ...colours] },
    ],
    axes: [
      { orient: "bottom", scale: "x", ...axis, title: options.entries?.[0] },
      { orient: "left", scale: "y", ...axis, title: options.entries?.[1] },
    ],
    legends: names.length > 1 ? [{ fill: "colour", orient: "right", symbolType: "circle" }] : [],
    marks: [
      {
        type: "group",
        clip: true,
        encode: { enter: { width: { signal: "width" }, height: { signal: "height" } } },
        marks: [
          {
            type: "image",
            from: { data: "shades" },
            encode: {
              enter: {
                x: { value: 0 },
                y: { value: 0 },
                width: { signal: "width" },
                height: { signal: "height" },
                aspect: { value: false },
                url: { field: "url" },
              },
            },
          },
          {
            type: "rule",
            from: { data: "joins" },
            encode: {
              enter: {
                x: { scale: "x", field: "x" },
                y: { scale: "y", field: "y" },
                x2: { scale: "x", field: "x2" },
                y2: { scale: "y", field: "y2" },
                stroke: { value: "#999" },
                strokeWidth: { value: 0.8 },
              },
            },
          },
          {
            type: "symbol",
            from: { data: "points" },
            encode: {
              enter: {
                x: { scale: "x", field: "x" },
                y: { scale: "y", field: "y" },
                fill: { scale: "colour", field: "set" },
                size: { value: many > 2000 ? 4 : many > 500 ? 8 : 16 },
                opacity: { value: many > 500 ? 0.5 : 0.7 },
              },
            },
          },
        ],
      },
    ],
  });
}

/** What holds 99 in 100 of the coordinates, with a margin. */
export function planeWindow(sets: readonly PointSet[]): Window {
  const all = sets.flatMap((set) => set.points);
  const span = (axis: 0 | 1): [number, number] => {
    const sorted = all
      .map((point) => point[axis])
      .filter(Number.isFinite)
      .sort((a, b) => a - b);
    const low = sorted[Math.floor(0.005 * sorted.length)] ?? -1;
    const high = sorted[Math.ceil(0.995 * sorted.length) - 1] ?? 1;
    const margin = high > low ? 0.06 * (high - low) : 0.5;
    return [low - margin, high + margin];
  };
  const [x, y] = [span(0), span(1)];
  return { x, y };
}

/** Histograms of scalar rows, one outline a set. */
export function drawHistogram(
  sets: readonly { readonly name: string; readonly values: readonly number[] }[],
  title: string,
  bins = 50,
  x = "value",
): Promise<string> {
  const all = sets.flatMap((set) => set.values).filter(Number.isFinite);
  let low = Infinity;
  let high = -Infinity;
  for (const value of all) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const whole = all.every(Number.isInteger) && high - low < bins;
  if (!(high > low)) [low, high] = [(all[0] ?? 0) - 0.5, (all[0] ?? 0) + 0.5];
  if (whole) [low, high] = [low - 0.5, high + 0.5];
  const count = whole ? Math.round(high - low) : bins;
  const step = (high - low) / count;
  const series = sets.map((set): Series => {
    const counts = new Float64Array(count);
    for (const value of set.values)
      if (Number.isFinite(value)) counts[Math.min(count - 1, Math.max(0, Math.floor((value - low) / step)))]! += 1;
    const share = (i: number): number => counts[i]! / (Math.max(1, set.values.length) * step);
    const points = Array.from({ length: count }, (_, i) => [
      { x: low + i * step, y: share(i) },
      { x: low + (i + 1) * step, y: share(i) },
    ]).flat();
    return { name: set.name, points: [{ x: low, y: 0 }, ...points, { x: high, y: 0 }] };
  });
  return drawCurves(series, { title, x, y: "density" });
}

export interface LinesOptions {
  readonly title: string;
  /** What the rows are, for the title of a plot that has not all of them: "samples". */
  readonly what: string;
  /** What the entries of a row are called. */
  readonly entries?: readonly string[] | undefined;
  /** What was made of each row: drawn dashed in its colour. */
  readonly made?: { readonly rows: readonly (readonly number[])[]; readonly what: string };
}

/** Rows, or pairs of rows, beyond which a plot of lines shows the first ones. */
const MOST_LINES = 12;
const MOST_PAIRS = 4;

/** Each row as a line over its entries. */
export function drawLines(rows: readonly (readonly number[])[], { title, what, entries, made }: LinesOptions): Promise<string> {
  const shown = Math.min(rows.length, made === undefined ? MOST_LINES : MOST_PAIRS);
  const line = (row: readonly number[], name: string, more: Partial<Series> = {}): Series => ({
    name,
    points: row.map((y, j) => ({ x: j + 1, y })),
    ...more,
  });
  const series = rows.slice(0, shown).flatMap((row, i): readonly Series[] => {
    const own = made?.rows[i];
    if (made === undefined || own === undefined) return [line(row, `${i + 1}`, { dashed: i >= colours.length })];
    return [line(row, `${i + 1} data`, { colour: i }), line(own, `${i + 1} ${made.what}`, { colour: i, dashed: true })];
  });
  const part = shown < rows.length ? `: the first ${shown} of ${rows.length} ${what}` : "";
  return drawCurves(series, { title: `${title}${part}`, x: "entry", y: "value", ...(entries === undefined ? {} : { entries }) });
}

/** A density as a PNG of blues inside a data URL. */
async function shadesUrl(density: NonNullable<PlaneOptions["density"]>): Promise<string> {
  const { encodePng } = await import("./raster.js");
  const { rows, columns, values } = density;
  let high = 0;
  for (let i = 0; i < rows * columns; i++) if (Number.isFinite(values[i]!)) high = Math.max(high, values[i]!);
  const data = new Uint8Array(rows * columns * 3);
  const dark = [8, 48, 107];
  for (let i = 0; i < rows * columns; i++) {
    // The square root keeps faint tails visible.
    const shade = high > 0 ? Math.sqrt(Math.min(1, Math.max(0, values[i]!) / high)) : 0;
    for (let c = 0; c < 3; c++) data[3 * i + c] = Math.round(255 + shade * (dark[c]! - 255));
  }
  return `data:image/png;base64,${Buffer.from(encodePng({ height: rows, width: columns, data })).toString("base64")}`;
}

function padded(values: readonly number[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(high >= low)) return [0, 1];
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}
