/**
 * Tables of the compiler and the runtime -> the generated regions of the documentation. Pure: takes the tables, gives Markdown.
 * A region of a page stands between `<!-- generated: NAME -->` and `<!-- end -->`; docs-tables.mjs fills it, a test holds it fresh.
 */

const region = /(<!-- generated: ([\w -]+) -->\n)[\s\S]*?(<!-- end -->)/g;

/** The page with its regions filled. Throws for a region that nothing fills. */
export function fill(text, regions) {
  return text.replace(region, (_, open, name, close, at) => {
    const body = name === "frame" ? regions.frame(lastWrongModel(text.slice(0, at))) : regions[name];
    if (body === undefined) throw new Error(`nothing fills the region '${name}'; there are: ${Object.keys(regions).join(", ")}`);
    return `${open}\n${body.trim()}\n\n${close}`;
  });
}

/** The last block of a wrong model: `frame` shows what gmc says of it. */
function lastWrongModel(text) {
  const block = [...text.matchAll(/^```gm-error\n([\s\S]*?)^```$/gm)].at(-1);
  if (!block) throw new Error("a region 'frame' stands after a ```gm-error block");
  return block[1];
}

/** Names of the regions of a page. */
export function regionNames(text) {
  return [...text.matchAll(region)].map((match) => match[2]);
}

/** All regions by name. */
export function renderRegions(tables) {
  return {
    keywords: keywords(tables),
    domains: domains(tables),
    layers: layers(tables),
    bijections: bijections(tables),
    distributions: distributions(tables),
    synonyms: synonyms(tables),
    operators: functions(tables, (f) => f.symbol !== undefined),
    functions: functions(tables, (f) => f.symbol === undefined),
    "static functions": [...tables.staticFunctions.keys()].map((name) => `\`${name}\``).join(", "),
    settings: settings(tables),
    optimizers: optimizers(tables),
    schedules: schedules(tables),
    evaluators: evaluators(tables),
    "estimators of latents": latentTable(tables),
    "estimators of maxima": estimatorTable(tables, "optimum"),
    "estimators of updates": estimatorTable(tables, "update"),
    "estimators of energies": ["data", "model", "partition", "matching"].map((role) => estimatorTable(tables, role)).join("\n\n"),
    "standard library": library(tables),
    "data sets": table(
      ["Name", "What it is"],
      tables.datasets.map((d) => [`\`${d.name}\``, d.title]),
    ),
    "data options": tables.dataOptions.map((name) => `\`${name}\``).join(", "),
    frame: (model) => `\`\`\`text\n${tables.findings(model).trim()}\n\`\`\``,
    ...Object.fromEntries(Object.entries(tables.golden).map(([code, text]) => [`golden ${code}`, `\`\`\`text\n${text.trim()}\n\`\`\``])),
    ...examples(tables),
    ...Object.fromEntries(Object.entries(tables.help).map(([name, text]) => [`help ${name}`, `\`\`\`text\n${text.trim()}\n\`\`\``])),
  };
}

/** docs/errors/README.md. */
export function errorIndex(registry) {
  const hundreds = {
    1: "Syntax",
    2: "Names, domains and shapes",
    3: "Densities, objectives and estimators",
    4: "Training and evaluation",
    5: "Command line, data, configuration, run folders, engines",
  };
  const codes = Object.keys(registry).sort();
  const parts = [
    "<!-- Written by scripts/docs-tables.mjs. Do not edit. -->",
    "",
    "# Errors and warnings",
    "",
    "Every finding of gmc has a code. A code is never reused. Each page says what the code means, shows a wrong and a right text, and says why.",
  ];
  for (const [digit, title] of Object.entries(hundreds)) {
    const rows = codes
      .filter((code) => code.startsWith(`GM${digit}`))
      .map((code) => [`[${code}](${code}.md)`, registry[code].severity, registry[code].title]);
    if (rows.length > 0) parts.push("", `## GM${digit}: ${title}`, "", table(["Code", "Severity", "Meaning"], rows));
  }
  return `${parts.join("\n")}\n`;
}

function keywords({ keywords, softKeywords, binderWords }) {
  const list = (words) => [...words.keys()].map((word) => `\`${word}\``).join(" ");
  return [
    `Keywords, which no name may be: ${list(keywords)}.`,
    "",
    `Words that are keywords in one place only and may be names elsewhere: ${list(softKeywords)}.`,
    "",
    `Words that bind names when \`[\` follows: ${list(binderWords)}.`,
  ].join("\n");
}

function domains({ usualDistribution }) {
  const meaning = {
    real: ["any real number", "yes", "v/255"],
    positive: ["a number above 0", "yes, stored through the inverse of softplus", "the number itself"],
    unit: ["a number from 0 to 1", "yes, stored as a logit", "v/255"],
    binary: ["0 or 1", "no", "a coin flip with probability v/255"],
    category: ["one of K labels, 0 to K - 1: `category[K]`", "no", "the label"],
    count: ["0, 1, 2, …", "no", "the number itself"],
    byte: ["0 to 255", "no", "the byte itself"],
    simplex: ["probabilities that sum to 1 along the last axis", "yes, stored as centred logits", "the number itself"],
  };
  const rows = Object.entries(usualDistribution).map(([name, distribution]) => {
    if (meaning[name] === undefined) throw new Error(`the domain ${name} is not described in scripts/docs-render.mjs`);
    const [values, parameter, bytes] = meaning[name];
    return [`\`${name}\``, values, parameter, `\`${distribution}\``, bytes];
  });
  return table(["Domain", "Values", "May a `param` have it", "Usually drawn from", "A byte v of a data file becomes"], rows);
}

const operatorWords = {
  add: "Sum",
  sub: "Difference",
  mul: "Product, entry by entry",
  div: "Quotient, entry by entry",
  pow: "Power, entry by entry",
  neg: "Negation",
};

/** `conv(channels, size, stride = 1)`; what must be named stands behind `;`. */
function signature(name, args, options, more = []) {
  const shown = (o) => (o.fallback === undefined ? (o.required ? o.name : `${o.name}?`) : `${o.name} = ${value(o.fallback)}`);
  const positional = [...args, ...options.filter((o) => !o.named).map(shown), ...more];
  const named = options.filter((o) => o.named).map(shown);
  return `\`${name}(${[positional.join(", "), ...(named.length > 0 ? [named.join(", ")] : [])].filter((s) => s !== "").join("; ")})\``;
}

function value(v) {
  return typeof v === "string" ? `"${v}"` : typeof v === "number" && v > 0 && v < 1e-3 ? v.toExponential() : String(v);
}

function choices(options) {
  return options
    .filter((o) => o.choices)
    .map(
      (o) =>
        ` \`${o.name}\` is ${o.choices.map((c) => `\`"${c}"\``).join(" or ")}${o.kind === "order" ? ", a seed, or a list of places" : ""}.`,
    )
    .join("");
}

function layers({ layers }) {
  return table(
    ["Layer", "What it does", "In the runtime"],
    [...layers.values()].map((layer) => [
      signature(layer.name, [], layer.options),
      `${sentence(layer.doc.replace(/: \w+\([^)]*\)$/, ""))}${choices(layer.options)}${layer.weightless ? " It has no weights." : ""}`,
      `\`${layer.runtime}\``,
    ]),
  );
}

function bijections({ bijections }) {
  const ways = { closed: "one pass", sequential: "one pass an entry", none: "none" };
  return table(
    ["Bijection", "What it does", "log \\|det dx/dz\\|", "Forward", "Inverse"],
    [...bijections.values()].map((b) => {
      const first = b.conditioned ? ["net"] : b.nests ? ["chain"] : b.noisy ? ["noise?"] : [];
      const text = `${sentence(b.doc)}${choices(b.options)}${b.constraint ? ` ${sentence(b.constraint)}` : ""}`;
      return [
        signature(b.name, first, b.options),
        text,
        `\`${b.logDet}\``.replaceAll("|", "\\|"),
        ways[b.directions.forward],
        ways[b.directions.inverse],
      ];
    }),
  );
}

function distributions({ distributions }) {
  return table(
    ["Distribution", "What it is", "For", "Gradient through samples", "Finite sum"],
    [...distributions.values()].map((d) => {
      const list = (params) => params.map((p) => (p.fallback === undefined ? p.name : `${p.name} = ${p.fallback}`)).join(", ");
      // weights by place are of the first kind; of another kind they are named, and then so is what is mixed
      const mixing = (params, i) =>
        (i === 0 ? [list(params), "Component(…)"] : [...params.map((p) => `${p.name} = …`), "of = Component(…)"]).join(", ");
      const forms = d.parameters.map((params, i) => `\`${d.name}(${d.mixes ? mixing(params, i) : list(params)})\``);
      const axes = d.eventRank > 0 ? " One draw is a whole vector." : "";
      const wider = d.wider.length > 0 ? `; with a warning: ${d.wider.map((w) => `\`${w}\``).join(", ")}` : "";
      return [
        forms.join(" or "),
        `${sentence(d.doc)}${axes}`,
        `${d.domains.map((x) => `\`${x}\``).join(", ")}${wider}`,
        d.reparameterised ? "yes" : "no",
        d.discrete && (d.domains.includes("binary") || d.domains.includes("category")) ? "yes" : "no",
      ];
    }),
  );
}

function synonyms({ distributionSynonyms, parameterSynonyms }) {
  const list = (names) =>
    Object.entries(names)
      .map(([from, to]) => `\`${from}\` → \`${to}\``)
      .join(", ");
  return `Other names are understood well enough to be corrected. Distributions: ${list(distributionSynonyms)}. Parameters: ${list(parameterSynonyms)}.`;
}

function functions({ builtins }, which) {
  const form = (f) => {
    if (f.symbol === undefined) return signature(f.fn, [...f.args, ...(f.rest ? ["…"] : [])], f.options);
    if (f.symbol === "[]") return { index: "`x[i]`", slice: "`x[i..j]`", take: "`table[label]`" }[f.fn] ?? `\`${f.fn}\``;
    return f.args.length === 1 ? `\`${f.symbol}x\`` : `\`a ${f.symbol} b\``;
  };
  return table(
    [which({ symbol: "+" }) ? "Operator" : "Function", "Meaning", "In the runtime"],
    [...builtins.values()]
      .filter(which)
      .map((f) => [
        form(f),
        `${sentence(f.symbol === undefined ? f.doc : (operatorWords[f.fn] ?? f.doc))}${choices(f.options)}`,
        `\`${f.runtime}\``,
      ]),
  );
}

const kinds = {
  number: "a number of at least 0",
  positive: "a number above 0",
  integer: "a whole number of at least 1",
  boolean: "true or false",
  rate: "a positive number or a schedule",
  fraction: "a number from 0 to below 1",
  objective: "the name of a line of `evaluate`",
  optimizer: "an optimiser",
  earlyStopping: "`early_stopping(…)`",
};

function kind(name) {
  const text = kinds[name];
  if (text === undefined) throw new Error(`the kind of setting ${name} is not described in scripts/docs-render.mjs`);
  return text;
}

function settings({ settings, earlyStoppingArgs }) {
  const scopes = { phase: "train block, phase", update: "statement", both: "both" };
  const rows = [...settings.values()].map((s) => [`\`${s.name}\``, kind(s.kind), sentence(s.doc), scopes[s.scope]]);
  const args = earlyStoppingArgs.map((a) => (a.required ? a.name : `${a.name}?`)).join(", ");
  return [
    table(["Setting", "Value", "Meaning", "Where"], rows),
    "",
    `\`early_stopping(${args})\`: \`metric\` is ${kind("objective")}.`,
  ].join("\n");
}

function optimizers({ optimizers, optimizerDefaults }) {
  const [firstOptimizer] = optimizers.values();
  const everywhere = firstOptimizer.args.map((a) => a.name);
  const rows = [...optimizers.values()].map((o) => {
    const defaults = optimizerDefaults[o.name];
    const shown = o.args.flatMap((a) => {
      const known = a.runtime in defaults.constants ? defaults.constants[a.runtime] : defaults[a.runtime];
      if (known === null || known === undefined) return [];
      if (a.name === "weight_decay" && known === 0) return [];
      return [`${a.name} = ${a.kind === "boolean" ? String(Boolean(known)) : value(known)}`];
    });
    return [`\`${o.name}(${shown.join(", ")})\``, sentence(o.doc)];
  });
  return [
    table(["Optimiser, with its defaults", "What it is"], rows),
    "",
    `Every optimiser takes ${everywhere.map((name) => `\`${name}\``).join(", ")}.`,
  ].join("\n");
}

function schedules({ schedules }) {
  const rows = [...schedules.values()].map((s) => {
    const named = new Set(s.length ? ["epochs", "steps"] : []);
    const args = s.params.filter((p) => !named.has(p.name)).map((p) => (p.required ? p.name : `${p.name}?`));
    return [`\`${s.name}(${[...args, ...(s.length ? ["epochs = … or steps = …"] : [])].join(", ")})\``, sentence(s.doc)];
  });
  return table(["Schedule", "The number"], rows);
}

function evaluators({ evaluators }) {
  const rows = [...evaluators.values()].map((e) => {
    const choices = (e.choices ?? []).map((c) => `${c.name}?`);
    const labels = (e.variables ?? []).map((v) => v.name);
    const args = [
      ...e.densities.map((d) => (d.required ? d.name : `${d.name}?`)),
      ...labels,
      ...choices,
      ...e.options.map((o) => `${o.name}?`),
    ];
    return [`\`${e.name}(${args.join(", ")})\``, sentence(e.doc)];
  });
  return table(["Evaluator", "What it measures"], rows);
}

const ESTIMATED = {
  latent: "A draw of a latent",
  data: "Hidden variables given the data",
  model: "The gradient of log Z",
  partition: "The value of log Z",
  matching: "In place of the likelihood",
  optimum: "A maximum over continuous latents",
  update: "In place of gradient steps",
};

function estimatorTable(tables, role) {
  const rows = estimatorsOf(tables, (e) => e.role === role).map((e) => [estimatorCall(e), sentence(e.doc)]);
  return table([ESTIMATED[role], "How"], rows);
}

/** With the path of the gradient, and whether its mean is the true one. */
function latentTable(tables) {
  const rows = estimatorsOf(tables, (e) => e.role === "latent").map((e) => [
    estimatorCall(e),
    e.rule.path,
    e.rule.path === "none" ? "" : biasOf(e.rule),
    sentence(e.doc),
  ]);
  return table([ESTIMATED.latent, "Path", "Bias", "How"], rows);
}

const biasOf = ({ unbiased, biasBy }) => (unbiased ? `none${biasBy ? `; ${biasBy.bias} by \`${biasBy.flag}\`` : ""}` : "yes");

function estimatorCall(e) {
  const shown = e.options.map((o) => `${o.name} = ${o.value === "" ? "…" : o.value}`);
  return `\`${e.name}${shown.length > 0 ? `(${shown.join(", ")})` : ""}\``;
}

function estimatorsOf({ estimators }, wanted) {
  return [...estimators.values()].filter(wanted);
}

function library({ library }) {
  return library
    .map(({ file, declarations }) => {
      const rows = declarations.map((d) => [
        `\`${d.kind} ${d.name}(${d.params.map((p) => (p.fallback === undefined ? p.name : `${p.name} = ${p.fallback}`)).join(", ")})\``,
        (d.doc ?? "").replaceAll("\n", " "),
      ]);
      return [`From [\`std/${file}\`](../std/${file}):`, "", table(["Declaration", "What it is"], rows)].join("\n");
    })
    .join("\n\n");
}

/** `example vae`: its text; `derived vae`: what gmc explain says of its train block; `energy rbm`: what it says of its energies; `order made`: of the orders of its variables; `code vae elbo`: a function of its generated file. */
function examples({ examples }) {
  const fenced = (info, text) => `\`\`\`${info}\n${text.trim()}\n\`\`\``;
  return Object.fromEntries(
    Object.entries(examples).flatMap(([name, { text, functions, derived, energy, order }]) => [
      [`example ${name}`, fenced("gm", text)],
      [`derived ${name}`, fenced("text", derived)],
      ...(energy === "" ? [] : [[`energy ${name}`, fenced("text", energy)]]),
      ...(order === "" ? [] : [[`order ${name}`, fenced("text", order)]]),
      ...Object.entries(functions).map(([fn, code]) => [`code ${name} ${fn}`, `<!-- prettier-ignore -->\n${fenced("ts", code)}`]),
    ]),
  );
}

/** The first letter large and a full stop, where it begins with a word of plain English. */
function sentence(text) {
  const trimmed = text.trim();
  const word = (/^[a-z]{2,}(?=[\s,]|$)/.test(trimmed) || /^an? (?!where)[a-z]{3,}/.test(trimmed)) && !/^[a-z]+ (->|<-|\*|=)/.test(trimmed);
  const first = word ? trimmed.charAt(0).toUpperCase() + trimmed.slice(1) : trimmed;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

function table(head, rows) {
  const plain = (text) => text.replaceAll("*", "\\*");
  const cell = (text) =>
    text
      .split(/(`[^`]*`)/)
      .map((part, i) => (i % 2 === 0 ? plain(part) : part))
      .join("")
      .replaceAll("|", "\\|");
  const line = (cells) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `| ${head.map(() => "---").join(" | ")} |`, ...rows.map(line)].join("\n");
}
