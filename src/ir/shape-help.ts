/** Ways out where a shape does not fit: each is tried on the shapes before it is offered. */
import { Diagnostics } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import { builtins } from "./builtins.js";
import type { Env } from "./env.js";
import { elementCount, sameShape, shapeOf, showShape, tensor } from "./shapes.js";
import type { Dim, Expr, LayerInstance, Net, Type, WeightNode } from "./types.js";
import { walkExpr } from "./walk.js";

type Fits = (shape: readonly Dim[]) => boolean;

/** What makes of `expr` a value that `fits`; `wanted` is the shape as it is told. */
export function shapeHelp(env: Env, expr: Expr, wanted: readonly Dim[], fits: Fits): readonly string[] {
  const rows = rowByLabel(env, expr, fits);
  if (rows.length > 0) return rows;
  const found = shapeOf(expr);
  const sizes = wanted.map((d) => d.text).join(", ");
  if (wanted.length > 0 && sameShape(withoutOnes(found), withoutOnes(wanted)))
    return [`give it the axes that are wanted: \`reshape(${textOf(expr.span)}, ${sizes})\``];
  if (found.length === 2 && fits([...found].reverse())) return [`\`transpose(${textOf(expr.span)})\` swaps its axes`];
  return flattenFirst(env, found, fits);
}

function withoutOnes(shape: readonly Dim[]): readonly Dim[] {
  return shape.filter((d) => d.size !== 1);
}

/** A table with a row a class, where the row of a category at hand is meant: `mu[y]` for `mu`. */
function rowByLabel(env: Env, expr: Expr, fits: Fits): readonly string[] {
  const labels = [...env.cx.variables.values()].filter((v) => v.domain.name === "category" && env.access.readable?.(v.name) === true);
  const tables = new Map<string, Extract<Expr, { kind: "param" }>>();
  walkExpr(expr, (e) => {
    if (e.kind === "param" && e.type.kind === "tensor") tables.set(e.param, e);
  });
  for (const table of tables.values()) {
    const [first, ...row] = shapeOf(table);
    const picks = labels.filter((v) => v.domain.classes?.size === first?.size);
    const help = picks.flatMap((label) => {
      const shape = shapeWith(env, expr, table.param, [...label.domain.shape, ...row]);
      const part = row.length > 0 ? "row" : "entry";
      return shape && fits(shape)
        ? [`\`${table.param}[${label.name}]\` is the ${part} of \`${table.param}\` that \`${label.name}\` picks`]
        : [];
    });
    if (help.length > 0) return help;
  }
  return [];
}

/** The shape of `expr` where the parameter has another one; undefined where that cannot be told. */
function shapeWith(env: Env, expr: Expr, param: string, shape: readonly Dim[]): readonly Dim[] | undefined {
  if (expr.kind === "param" && expr.param === param) return shape;
  let reads = false;
  walkExpr(expr, (e) => (reads ||= e.kind === "param" && e.param === param));
  if (!reads) return expr.type.kind === "tensor" ? expr.type.shape : undefined;
  if (expr.kind !== "builtin" || Object.keys(expr.options).length > 0) return undefined;
  const entry = builtins.get(expr.fn);
  const args = expr.args.flatMap((arg) => {
    const own = shapeWith(env, arg, param, shape);
    const element = arg.type.kind === "tensor" ? arg.type.element : "real";
    return own ? [{ expr: arg, type: tensor(own, element), span: arg.span, classes: undefined, blocks: undefined }] : [];
  });
  if (!entry || args.length < expr.args.length) return undefined;
  const cx = { ...env.cx, diagnostics: new Diagnostics() };
  const options = { options: new Map(), dims: new Map() };
  return entry.type({ cx, name: expr.fn, symbol: entry.symbol, span: expr.span, args, ...options })?.type.shape;
}

/** A dense layer, or a net of them, that works along the last axis of a picture or a sequence, where one vector is wanted of it all. */
function flattenFirst({ cx }: Env, found: readonly Dim[], fits: Fits): readonly string[] {
  if (found.length < 2 || !fits(found.slice(-1))) return [];
  const places: { readonly span: Span; readonly input: readonly Dim[] }[] = [];
  const note = (span: Span, input: readonly Dim[], made: Type): void => {
    const shapes = made.kind === "tensor" ? [made.shape] : made.fields.map((f) => f.type.shape);
    if (input.length === found.length && shapes.some((shape) => sameShape(shape, found))) places.push({ span, input });
  };
  for (const net of cx.nets) {
    const [only, ...more] = net.params;
    if (net.use && only?.type.kind === "tensor" && more.length === 0 && isDense(cx.netByName, net))
      note(net.use, only.type.shape, net.result.type);
    if (!net.template)
      for (const expr of [...net.body.map((b) => b.value), net.result])
        walkExpr(expr, (e) => {
          if (e.kind === "layer" && e.instance.layer === "dense") note(e.span, shapeOf(e.args[0]), e.type);
        });
  }
  return places.slice(0, 1).map(({ span, input }) => {
    const step = textOf(span).split("|>").at(-1)?.trim() ?? "";
    return `\`|> flatten\` before \`${step}\`, which works along the last axis of ${showShape(input)}, makes one vector of all ${elementCount(input)} entries`;
  });
}

/** Whether all weights of a net are those of dense layers. */
function isDense(nets: ReadonlyMap<string, Net>, { weights }: Net): boolean {
  const layersOf = (node: WeightNode): readonly (LayerInstance | undefined)[] =>
    node.kind === "layer" ? [node.layer] : node.kind === "net" ? (nets.get(node.net)?.weights ?? []).flatMap(layersOf) : [undefined];
  const all = weights.flatMap(layersOf);
  return all.length > 0 && all.every((layer) => layer?.layer === "dense");
}
