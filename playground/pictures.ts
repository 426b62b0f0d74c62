/** What the page draws: the objective over the steps, points in the plane, and pictures in a grid. */
import type { Point } from "./training.js";
import type { Rows } from "./data.js";

const ink = { axis: "#8a8f98", curve: "#2563eb", data: "rgba(100, 105, 115, 0.35)", sample: "rgba(37, 99, 235, 0.7)" } as const;

function begin(canvas: HTMLCanvasElement): { readonly draw: CanvasRenderingContext2D; readonly width: number; readonly height: number } {
  const draw = canvas.getContext("2d");
  if (!draw) throw new Error("this browser draws on no canvas");
  const { width, height } = canvas;
  draw.clearRect(0, 0, width, height);
  draw.font = "12px system-ui, sans-serif";
  return { draw, width, height };
}

export function drawCurve(canvas: HTMLCanvasElement, label: string, points: readonly Point[]): void {
  const { draw, width, height } = begin(canvas);
  const finite = points.filter(({ value }) => Number.isFinite(value));
  const [left, top, right, bottom] = [64, 20, width - 12, height - 24];
  draw.strokeStyle = ink.axis;
  draw.strokeRect(left, top, right - left, bottom - top);
  draw.fillStyle = ink.axis;
  draw.fillText(label, left, 13);
  const last = finite.at(-1);
  if (!last) return;
  // the first steps, far below or above, would flatten the rest
  const later = finite.slice(Math.floor(finite.length / 10)).map(({ value }) => value);
  const [low, high] = [Math.min(...later), Math.max(...later)];
  const span = high - low || 1;
  const x = (step: number): number => left + ((right - left) * step) / last.step;
  const y = (value: number): number => bottom - ((bottom - top) * (Math.min(Math.max(value, low), high) - low)) / span;
  draw.textAlign = "right";
  draw.fillText(high.toPrecision(4), left - 6, top + 9);
  draw.fillText(low.toPrecision(4), left - 6, bottom);
  draw.fillText(`step ${last.step}`, right, height - 8);
  draw.textAlign = "left";
  draw.strokeStyle = ink.curve;
  draw.lineWidth = 1.5;
  draw.beginPath();
  finite.forEach(({ step, value }, i) => (i === 0 ? draw.moveTo(x(step), y(value)) : draw.lineTo(x(step), y(value))));
  draw.stroke();
}

const entriesOf = (rows: Rows): number => rows.shape.slice(1).reduce((a, b) => a * b, 1);

/** Samples over data: points where a row is two numbers, else a grid of pictures, else bars of how often values occur. */
export function drawRows(canvas: HTMLCanvasElement, data: Rows | undefined, samples: Rows | undefined): void {
  const shown = samples ?? data;
  if (!shown) return void begin(canvas);
  const entries = entriesOf(shown);
  if (entries === 2) drawPoints(canvas, data, samples);
  else if (Number.isInteger(Math.sqrt(entries)) && entries > 1) drawGrid(canvas, shown, Math.sqrt(entries));
  else drawCounts(canvas, data, samples);
}

function drawPoints(canvas: HTMLCanvasElement, data: Rows | undefined, samples: Rows | undefined): void {
  const { draw, width, height } = begin(canvas);
  const all = (data ?? samples)!.data;
  let reach = 1;
  for (const value of all) if (Number.isFinite(value)) reach = Math.max(reach, Math.abs(value));
  const scale = Math.min(width, height) / (2.2 * reach);
  const points = (rows: Rows, colour: string): void => {
    draw.fillStyle = colour;
    for (let i = 0; i < Math.min(rows.data.length / 2, 2000); i++) {
      draw.fillRect(width / 2 + scale * rows.data[2 * i]! - 1.5, height / 2 - scale * rows.data[2 * i + 1]! - 1.5, 3, 3);
    }
  };
  if (data) points(data, ink.data);
  if (samples) points(samples, ink.sample);
}

function drawGrid(canvas: HTMLCanvasElement, rows: Rows, side: number): void {
  const { draw, width, height } = begin(canvas);
  const across = 8;
  const cell = Math.floor(Math.min(width, height) / across);
  const pixel = (cell - 4) / side;
  for (let i = 0; i < Math.min(across * across, rows.shape[0] ?? 0); i++) {
    const [left, top] = [(i % across) * cell, Math.floor(i / across) * cell];
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const shade = Math.round(255 * (1 - Math.min(1, Math.max(0, rows.data[(i * side + y) * side + x]!))));
        draw.fillStyle = `rgb(${shade}, ${shade}, ${shade})`;
        draw.fillRect(left + x * pixel, top + y * pixel, Math.ceil(pixel), Math.ceil(pixel));
      }
    }
    draw.strokeStyle = ink.axis;
    draw.strokeRect(left, top, cell - 4, cell - 4);
  }
}

/** Of all entries together. */
function drawCounts(canvas: HTMLCanvasElement, data: Rows | undefined, samples: Rows | undefined): void {
  const { draw, width, height } = begin(canvas);
  const bins = 60;
  const all = Array.from((data ?? samples)!.data).filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const bars = (rows: Rows, colour: string): void => {
    const counts = new Array<number>(bins).fill(0);
    for (const value of rows.data) {
      const bin = Math.floor(((value - low) / (high - low || 1)) * bins);
      if (bin >= 0 && bin <= bins) counts[Math.min(bin, bins - 1)]! += 1 / rows.data.length;
    }
    const top = Math.max(...counts);
    draw.fillStyle = colour;
    counts.forEach((count, i) => {
      const bar = (count / top) * (height - 20);
      draw.fillRect((i * width) / bins, height - bar, width / bins - 1, bar);
    });
  };
  if (data) bars(data, ink.data);
  if (samples) bars(samples, ink.sample);
}
