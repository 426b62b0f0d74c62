/** Kernels of the three convolution primitives: one walk over (position, tap, group), three things to do there. */
import type { ConvParams, NodeOf, Shape } from "../types.js";
import type { Value } from "./value.js";

/** What a tap connects: offsets of the first channel in x, w and y, and how many channels a group has. */
type Visit = (x: number, w: number, y: number, cin: number, cout: number, wRow: number) => void;

/** Calls `visit` for every output position, tap inside the input, and group. One spatial axis is walked as two, the first of extent 1. */
function walk(params: ConvParams, x: Shape, w: Shape, y: Shape, visit: Visit): void {
  const one = w.length === 3;
  const [h, wd] = one ? [1, x[1]!] : [x[1]!, x[2]!];
  const [kh, kw] = one ? [1, w[0]!] : [w[0]!, w[1]!];
  const [oh, ow] = one ? [1, y[1]!] : [y[1]!, y[2]!];
  const pair = (list: Shape): [number, number] => (one ? [1, list[0]!] : [list[0]!, list[1]!]);
  const [sh, sw] = pair(params.stride);
  const [dh, dw] = pair(params.dilation);
  const top = one ? 0 : params.padding[0]![0];
  const left = one ? params.padding[0]![0] : params.padding[1]![0];
  const [cinAll, coutAll] = [x[x.length - 1]!, y[y.length - 1]!];
  const [cin, cout] = [cinAll / params.groups, coutAll / params.groups];
  for (let n = 0; n < x[0]!; n++) {
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++) {
        const yBase = ((n * oh + oy) * ow + ox) * coutAll;
        for (let ky = 0; ky < kh; ky++) {
          const iy = oy * sh - top + ky * dh;
          if (iy < 0 || iy >= h) continue;
          for (let kx = 0; kx < kw; kx++) {
            const ix = ox * sw - left + kx * dw;
            if (ix < 0 || ix >= wd) continue;
            const xBase = ((n * h + iy) * wd + ix) * cinAll;
            const wBase = (ky * kw + kx) * cin * coutAll;
            for (let g = 0; g < params.groups; g++) visit(xBase + g * cin, wBase + g * cout, yBase + g * cout, cin, cout, coutAll);
          }
        }
      }
    }
  }
}

export function convKernel({ params }: NodeOf<"conv">, [x, w]: readonly Value[], out: Value): void {
  const [xs, ws, ys] = [x!.data, w!.data, out.data];
  walk(params, x!.shape, w!.shape, out.shape, (x0, w0, y0, cin, cout, row) => {
    for (let i = 0; i < cin; i++) {
      const left = xs[x0 + i]!;
      for (let o = 0; o < cout; o++) ys[y0 + o]! += left * ws[w0 + i * row + o]!;
    }
  });
}

export function convInputGradKernel({ params }: NodeOf<"convInputGrad">, [dy, w]: readonly Value[], out: Value): void {
  const [xs, ws, ys] = [out.data, w!.data, dy!.data];
  walk(params, out.shape, w!.shape, dy!.shape, (x0, w0, y0, cin, cout, row) => {
    for (let i = 0; i < cin; i++) {
      let total = 0;
      for (let o = 0; o < cout; o++) total += ys[y0 + o]! * ws[w0 + i * row + o]!;
      xs[x0 + i]! += total;
    }
  });
}

export function convFilterGradKernel({ params }: NodeOf<"convFilterGrad">, [x, dy]: readonly Value[], out: Value): void {
  const [xs, ws, ys] = [x!.data, out.data, dy!.data];
  walk(params, x!.shape, out.shape, dy!.shape, (x0, w0, y0, cin, cout, row) => {
    for (let i = 0; i < cin; i++) {
      const left = xs[x0 + i]!;
      for (let o = 0; o < cout; o++) ws[w0 + i * row + o]! += left * ys[y0 + o]!;
    }
  });
}
