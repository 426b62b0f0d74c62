/**
 * Calls of a net over leading axes. A net of a model takes what its call with the fewest axes hands it; a call whose arguments have further axes
 * in front, such as `encoder(u)` of pseudo-inputs `u : unit[K, D]` beside `encoder(x)` of `x : binary[D]`, maps it over them with the same weights.
 */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type { Context } from "./env.js";
import { layers } from "./layers.js";
import { record, sameShape, showShape, tensor } from "./shapes.js";
import type { Dim, Net, TensorType, Type } from "./types.js";
import { walkExpr } from "./walk.js";

/** How a net is called: types of tensor arguments, texts of static ones. */
export type Signature = readonly (Type | string)[];

/**
 * The axes that arguments of `call` have in front of those of `base`, the same for all that have any; none where the signatures are the same,
 * undefined where `call` is no such call.
 */
export function mappedOver(base: Signature, call: Signature): readonly Dim[] | undefined {
  let over: readonly Dim[] = [];
  for (const [i, to] of base.entries()) {
    const from = call[i];
    if (typeof to === "string" || typeof from !== "object") {
      if (to !== from) return undefined;
      continue;
    }
    const front = inFront(to, from);
    if (!front || (front.length > 0 && over.length > 0 && !sameShape(front, over))) return undefined;
    if (front.length > 0) over = front;
  }
  return over;
}

/** The axes of a type in front of those of another; of a record, those that all of its fields have. */
export function inFront(to: Type, from: Type): readonly Dim[] | undefined {
  if (to.kind === "tensor" && from.kind === "tensor") {
    const more = from.shape.length - to.shape.length;
    return more >= 0 && from.element === to.element && sameShape(from.shape.slice(more), to.shape) ? from.shape.slice(0, more) : undefined;
  }
  if (to.kind !== "record" || from.kind !== "record" || to.fields.length !== from.fields.length) return undefined;
  const fronts = to.fields.map((f, i) => {
    const g = from.fields[i];
    return g?.name === f.name ? inFront(f.type, g.type) : undefined;
  });
  const [first] = fronts;
  return first && fronts.every((f) => f && sameShape(f, first)) ? first : undefined;
}

/** The type of a net's result, mapped. */
export function withFront(over: readonly Dim[], type: Type): Type {
  const more = (t: TensorType): TensorType => tensor([...over, ...t.shape], t.element);
  return type.kind === "tensor" ? more(type) : record(type.fields.map((f) => ({ ...f, type: more(f.type) })));
}

/** Whether each place along `over` has the value that the net gives for it alone; reports what in the net knows a row by its batch. */
export function mayMap(cx: Context, net: Net, over: readonly Dim[], calls: { readonly first: Span; readonly mapped: Span }): boolean {
  const found = hindrance(cx, net);
  if (!found) return true;
  report(
    cx.diagnostics,
    "GM3626",
    calls.mapped,
    { net: net.name, axes: showShape(over), layer: found.layer, reason: found.reason },
    {
      labels: [
        { span: calls.first, text: "called here with a single one" },
        { span: found.span, text: `\`${found.layer}\` ${found.reason}` },
      ],
      help: [
        `leave \`${found.layer}\` out of the net, or apply it to what the net is handed`,
        ...(over.length === 1 ? [`or hand them over one by one: \`for k in 1..${over[0]?.text} { h[k] = ${net.name}(u[k]) }\``] : []),
      ],
    },
  );
  return false;
}

interface Hindrance {
  readonly layer: string;
  readonly reason: string;
  readonly span: Span;
}

function hindrance(cx: Context, net: Net): Hindrance | undefined {
  let found: Hindrance | undefined;
  for (const value of [...net.body.map((b) => b.value), net.result])
    walkExpr(value, (e) => {
      if (found) return;
      if (e.kind === "netCall") {
        const inner = cx.netByName.get(e.net);
        found = inner && hindrance(cx, inner);
      } else if (e.kind === "flowCall" && cx.flowByName.get(e.flow)?.random)
        found = { layer: e.flow, reason: "draws noise for each row of the batch", span: e.span };
      else if (e.kind === "layer") {
        const { layer, span, masking } = e.instance;
        const entry = layers.get(layer);
        const reason = entry?.readsBatch
          ? "reads the other rows of the batch"
          : entry?.keyed
            ? "draws random numbers for each row of the batch"
            : (masking?.orders ?? 1) > 1
              ? "takes one of several orders at each step"
              : undefined;
        if (reason !== undefined) found = { layer, reason, span };
      }
    });
  return found;
}
