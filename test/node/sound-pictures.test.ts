/** The wave in a picture of sound: one line, whatever the number of samples beside that of columns. */
import { expect, test } from "vitest";
import { soundRaster } from "../../src/runtime/node/sound-pictures.js";

test.each([60, 256, 4000])("columns of a wave of %i samples are joined", (n) => {
  const data = Float32Array.from({ length: n }, (_, i) => Math.sin(1.9 * i));
  const { data: pixels, width } = soundRaster({ shape: [1, n], data } as never, { rate: 8000 }, 1, 1);
  const blue = (y: number, x: number): boolean => pixels[(y * width + x) * 3] === 0 && pixels[(y * width + x) * 3 + 2] === 178;
  const spans = Array.from({ length: width }, (_, x) => Array.from({ length: 60 }, (_y, y) => y).filter((y) => blue(y, x))).filter(
    (rows) => rows.length > 0,
  );
  expect(spans.length).toBe(240);
  for (let x = 1; x < spans.length; x++) {
    const [a, b] = [spans[x - 1]!, spans[x]!];
    expect(Math.min(...b)).toBeLessThanOrEqual(Math.max(...a) + 1);
    expect(Math.max(...b)).toBeGreaterThanOrEqual(Math.min(...a) - 1);
    expect(b.at(-1)! - b[0]! + 1).toBe(b.length);
  }
  // of few samples most columns are a point
  if (n === 60) expect(spans.filter((rows) => rows.length === 1).length).toBeGreaterThan(150);
});
