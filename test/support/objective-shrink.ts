/** The smallest case near a failing one: parts of the objective give way to what is within them, slots, sources and parents of densities are left out. */
import { type Case, childrenOf, headOf, modelText, type Node, type Ref, type Slot, type Value } from "./objective-tree.js";

/** `fails` says whether a case still shows the failure. */
export async function smallest(from: Case, fails: (c: Case) => Promise<boolean>, seconds: number): Promise<Case> {
  const end = Date.now() + seconds * 1000;
  let found = withoutIdle(from);
  if (!(await fails(found))) return from;
  for (let next: Case | undefined = found; next;) {
    found = next;
    next = undefined;
    const size = modelText(found).length;
    const smaller = candidates(found)
      .map((c) => ({ c, size: modelText(c).length }))
      .filter((s) => s.size < size || s.c.objective.kind !== found.objective.kind)
      .sort((a, b) => a.size - b.size);
    for (const { c } of smaller) {
      if (Date.now() > end) return found;
      if (modelText(c) !== modelText(found) && (await fails(c))) {
        next = c;
        break;
      }
    }
  }
  return found;
}

function candidates(c: Case): readonly Case[] {
  const data = Object.values(c.variables).flatMap((v) => (v.role === "data" ? [v.name] : []));
  const objectives = smaller(c.objective).filter((n) => isClosed(n, new Set(data)));
  const models = Object.values(c.densities).flatMap((d) =>
    d.body.flatMap((f, i) =>
      [
        ...f.terms.map((t) => ({ ...f, terms: f.terms.filter((o) => o !== t) })),
        ...f.rows.map((r) => ({ ...f, rows: f.rows.filter((o) => o !== r) })),
      ].map((changed): Case => ({
        ...c,
        densities: { ...c.densities, [d.name]: { ...d, body: d.body.map((o, j) => (j === i ? changed : o)) } },
      })),
    ),
  );
  const settings = [...(c.by === "" ? [] : [{ ...c, by: "" }]), ...(c.over === "" ? [] : [{ ...c, over: "" }])];
  return [...objectives.map((objective) => ({ ...c, objective })), ...models, ...settings].map(withoutIdle);
}

/** Without densities, nets, latents and weights that nothing reads. */
function withoutIdle(c: Case): Case {
  const said = modelText({ ...c, densities: {} }).split("train {")[1] ?? "";
  const all = modelText(c);
  const whole = `${said} ${all.includes("  objective ") ? all.slice(all.indexOf("  objective ")) : ""}`;
  const has = (text: string, name: string): boolean => new RegExp(`\\b${name}\\b`, "u").test(text);
  const densities = Object.fromEntries(Object.entries(c.densities).filter(([name]) => has(whole, name)));
  const latents = new Set(Object.values(densities).flatMap((d) => [...headOf(d), ...d.given]));
  const variables = Object.fromEntries(
    Object.entries(c.variables).filter(([name, v]) => v.role === "data" || latents.has(name) || has(whole, name)),
  );
  const nets = Object.entries(c.nets).reduceRight<Case["nets"]>(
    (kept, [name, body]) => (has(modelText({ ...c, densities, nets: kept }), name) ? { [name]: body, ...kept } : kept),
    {},
  );
  const text = modelText({ ...c, densities, nets, weights: {} });
  const weights = Object.fromEntries(Object.entries(c.weights).filter(([name]) => has(text, name)));
  return { ...c, densities, nets, variables, weights };
}

/** Nodes that are a step smaller. */
function smaller(n: Node): readonly Node[] {
  const one: Node = { kind: "number", value: 1 };
  const here: Node[] = [...childrenOf(n), ...(n.kind === "number" ? [] : [one])];
  switch (n.kind) {
    case "unary":
      return [...here, ...smaller(n.a).map((a) => ({ ...n, a }))];
    case "binary":
      return [...here, ...smaller(n.a).map((a) => ({ ...n, a })), ...smaller(n.b).map((b) => ({ ...n, b }))];
    case "net":
      return [...here, ...smaller(n.of).map((of) => ({ ...n, of }))];
    case "where":
      return [...here, ...(["a", "b", "then", "other"] as const).flatMap((part) => smaller(n[part]).map((m) => ({ ...n, [part]: m })))];
    case "density": {
      const plain = (slots: readonly Slot[]): readonly (readonly Slot[])[] =>
        slots.flatMap((s, i) =>
          s.value.kind === "flip" || s.value.kind === "scaled"
            ? [slots.map((o, j): Slot => (i === j ? { ...s, value: { kind: "ref", ref: (s.value as { ref: Ref }).ref } } : o))]
            : [],
        );
      return [
        ...here,
        ...(n.head.length > 1 ? n.head.map((s) => ({ ...n, head: n.head.filter((o) => o !== s) })) : []),
        ...n.given.map((s) => ({ ...n, given: n.given.filter((o) => o !== s) })),
        ...plain(n.head).map((head) => ({ ...n, head })),
        ...plain(n.given).map((given) => ({ ...n, given })),
      ];
    }
    case "expect":
      return [
        ...here,
        ...(n.sources.length > 1 ? n.sources.map((s) => ({ ...n, sources: n.sources.filter((o) => o !== s) })) : []),
        ...n.sources.flatMap((s, i) =>
          s.kind === "density" && s.draws.length > 1
            ? s.draws.map((d): Node => ({
                ...n,
                sources: n.sources.map((o, j) => (i === j ? { ...s, draws: s.draws.filter((e) => e !== d) } : o)),
              }))
            : [],
        ),
        ...smaller(n.body).map((body) => ({ ...n, body })),
      ];
    case "plate":
    case "optimum":
      return [...here, ...smaller(n.body).map((body) => ({ ...n, body }))];
    case "named":
      return [...here, ...(n.declared ? smaller(n.body).map((body) => ({ ...n, body })) : [])];
    default:
      return here;
  }
}

/** Whether all that is read is in scope. */
function isClosed(n: Node, names: ReadonlySet<string>): boolean {
  const ref = (r: Ref): boolean => [r.name, r.sample, r.member].every((i) => typeof i !== "string" || names.has(i));
  const value = (v: Value): boolean => v.kind === "constant" || ref(v.ref);
  const slots = (list: readonly Slot[]): boolean => list.every((s) => value(s.value));
  switch (n.kind) {
    case "read":
      return ref(n.ref);
    case "density":
      return slots(n.head) && slots(n.given);
    case "expect": {
      let seen = names;
      for (const s of n.sources) {
        if (s.kind === "helper" ? !isClosed(s.logit, seen) : !slots(s.given)) return false;
        seen = new Set([...seen, ...(s.kind === "helper" ? [s.as] : s.draws.map((d) => d.as))]);
      }
      return isClosed(n.body, seen);
    }
    case "plate":
      return isClosed(n.body, new Set([...names, n.index]));
    case "optimum":
      return isClosed(n.body, new Set([...names, ...n.variables]));
    default:
      return childrenOf(n).every((m) => isClosed(m, names));
  }
}
