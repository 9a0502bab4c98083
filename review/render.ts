/** A review in words: for a terminal, and as Markdown for a comment. */
import type { Change, Kind } from "./change";
import type { Policies, Violation } from "./policies";
import { losesData, type Difference, type Review } from "./review";
import { plain } from "./values";

interface Section {
  title: string;
  items: string[];
}

/** How a piece of the preview is set apart from our own words. */
type Quote = (text: string) => string;
/** How a sentence is told that may have a piece of the preview in it. */
type Say = (text: string) => string;

const done: Record<Kind, string> = { create: "created", update: "changed", replace: "replaced", delete: "deleted" };
const signs: Record<Kind, string> = { delete: "-", replace: "!", update: "~", create: "+" };
const order = Object.keys(signs) as Kind[];

const listed = (names: readonly string[], quote: Quote, most = 8) =>
  names.slice(0, most).map(quote).join(", ") + (names.length > most ? ` and ${names.length - most} more` : "");

const money = (usd: number) => `${usd < 0 ? "−" : "+"}${Math.abs(usd).toFixed(2)} USD`;

export function headline({ stack, counts, whole }: Review): string {
  if (!whole) return `${plain(stack)}: the preview failed`;
  const words = order.flatMap((kind) => (counts[kind] ? [`${counts[kind]} ${done[kind]}`] : []));
  return `${plain(stack)}: ${words.length > 0 ? words.join(", ") : "no changes"}`;
}

function forcedBy({ kind, step }: Change, quote: Quote): string {
  const reasons = step.replaceReasons ?? [];
  return kind === "replace" && reasons.length > 0 ? `, since ${listed(reasons, quote)} cannot be changed in place` : "";
}

function costLines({ costs }: Review, quote: Quote): string[] {
  const known = costs.flatMap(({ usd }) => usd ?? []);
  const missing = costs.filter(({ usd }) => usd === undefined);
  const total = known.reduce((sum, usd) => sum + usd, 0);
  const line = ({ what, usd }: Review["costs"][number]) =>
    usd === undefined ? `${quote(what)}: its price is not known` : `${money(usd)} ${quote(what)}`;
  const together = missing.length > 0 ? "Not known: a price is missing" : `${money(total)} together`;
  return costs.length === 0
    ? []
    : [`${together} (list prices, not confirmed; what is not counted: docs/costs.md)`, ...costs.map(line)];
}

/** What goes and holds no data, by type. */
function replacedLines({ changes, losses, strangers }: Review, quote: Quote): string[] {
  const told = new Set([...losses.map(({ change }) => change), ...strangers]);
  const groups = new Map<string, { kind: Kind; type: string; names: string[] }>();
  for (const { change } of changes) {
    const { kind, type, name } = change;
    if ((kind !== "replace" && kind !== "delete") || told.has(change)) continue;
    const key = `${kind} ${type}`;
    const group = groups.get(key) ?? { kind, type, names: [] };
    group.names.push(name);
    groups.set(key, group);
  }
  return [...groups.values()].map(
    ({ kind, type, names }) => `${names.length} ${done[kind]}: ${quote(type)} ${listed(names, quote)}`,
  );
}

function sectionsOf(review: Review, quote: Quote, say: Say): Section[] {
  const { whole, policies, diagnostics, losses, strangers, unguarded, allowedInVain } = review;
  const { interruptions, settings, hiddenSettings } = review;
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const others = diagnostics.filter(({ severity }) => severity !== "error");
  const goes = ({ kind, type, name }: Change) => `${quote(name)} (${quote(type)}) is ${done[kind]}`;
  const all: Section[] = [
    {
      title: "The preview failed, so that what follows is not all",
      items: whole
        ? []
        : [
            ...errors.map(({ message }) => quote(message)),
            ...(errors.length === 0 ? ["It was cut off: it has no summary."] : []),
          ],
    },
    ...policySections(policies, quote),
    {
      title: "Data that goes",
      items: losses.map(
        ({ change, what, fate, allowed }) =>
          `${goes(change)}${forcedBy(change, quote)}. It holds ${what}. ${say(`${fate[0]?.toUpperCase()}${fate.slice(1)}`)}.${allowed ? " Allowed by --allow." : ""}`,
      ),
    },
    {
      title: "Not known whether these hold data",
      items: strangers.map((change) => `${goes(change)}${forcedBy(change, quote)}. Enter its type in review/rules.ts.`),
    },
    {
      title: "Protection that goes or changes",
      items: unguarded.map(({ name, what }) => `${quote(name)}: ${say(what)}.`),
    },
    { title: "Allowed in vain: nothing of that name is replaced or deleted", items: allowedInVain.map(quote) },
    {
      title: "Interruptions",
      items: interruptions.map(
        ({ what, howLong, source, names }) =>
          `${listed(names, quote)}: ${say(what)}. How long: ${howLong} (${source}).`,
      ),
    },
    { title: "Cost a month", items: costLines(review, quote) },
    {
      title: "Settings",
      items: settings
        ? [
            ...settings.map(({ key, before, after }) => `${quote(key)}: ${quote(before)} → ${quote(after)}`),
            ...(settings.length > 0 && hiddenSettings.length > 0
              ? [`Not compared, since they are hidden: ${listed(hiddenSettings, quote)}`]
              : []),
          ]
        : ["Not known what they were: the deployed version of the program does not tell, the next one will."],
    },
    ...advice(policies, quote),
    { title: "Also replaced or deleted", items: replacedLines(review, quote) },
    { title: "What the preview said", items: others.map(({ message }) => quote(message)) },
  ];
  return all.filter(({ items }) => items.length > 0);
}

const violation = ({ rule, what, names }: Violation, quote: Quote) =>
  `${quote(rule)}: ${listed(names, quote)}: ${quote(what)}`;

/** What stops a deployment. */
function policySections(policies: Policies | undefined, quote: Quote): Section[] {
  if (!policies) return [];
  const { whole, mandatory } = policies;
  return [
    {
      title: "The policy pack did not judge all of it",
      items: whole ? [] : ["Its preview has no summary that names a pack: see what that preview said."],
    },
    { title: "Rules that are broken and must hold", items: mandatory.map((one) => violation(one, quote)) },
  ];
}

function advice(policies: Policies | undefined, quote: Quote): Section[] {
  if (!policies) return [];
  const { advisory, unjudged } = policies;
  const rules = unjudged.map(({ rule, names }) => `${quote(rule)} (${names.length})`);
  return [
    { title: "Rules that are broken and only advise", items: advisory.map((one) => violation(one, quote)) },
    {
      title: "Rules that met values which only a deployment knows; up judges them",
      items: inLines(rules),
    },
  ];
}

/** Several to an item, so that none of many is too long for a comment. */
const inLines = (all: readonly string[], each = 8) =>
  Array.from({ length: Math.ceil(all.length / each) }, (_, line) =>
    all.slice(line * each, (line + 1) * each).join(", "),
  );

function verdict(review: Review, quote: Quote): string[] {
  const broken = review.policies?.mandatory.length ?? 0;
  const rules = broken === 1 ? "1 rule of the policy pack is" : `${broken} rules of the policy pack are`;
  return [...lossVerdict(review, quote), ...(broken > 0 ? [`This stops here: ${rules} broken that must hold`] : [])];
}

function lossVerdict(review: Review, quote: Quote): string[] {
  if (!losesData(review)) return [];
  const names = [...review.losses.filter(({ allowed }) => !allowed).map(({ change }) => change), ...review.strangers];
  const flags = names
    .slice(0, 8)
    .map(({ name }) => `--allow ${JSON.stringify(plain(name))}`)
    .join(" ");
  const what = names.length === 1 ? "1 resource that holds data" : `${names.length} resources that hold data`;
  return [
    `This stops here: ${what}, or may, would be replaced or deleted. If that is meant, allow each by its name: ${quote(flags)}`,
  ];
}

function differenceLine({ path, before, after, replaces }: Difference): string {
  return `    · ${plain(path).slice(0, 160)}: ${before} → ${after}${replaces ? "  (forces the replacement)" : ""}`;
}

/** The engine's diff, condensed: one line to a resource, and one to each property that differs. */
function diffLines({ changes }: Review): string[] {
  const sorted = order.flatMap((wanted) => changes.filter(({ change }) => change.kind === wanted));
  return sorted.flatMap(({ change: { kind, type, name }, differences }) => [
    `${signs[kind]} ${plain(type)} ${plain(name).slice(0, 160)}`,
    ...differences.slice(0, 12).map(differenceLine),
    ...(differences.length > 12 ? [`    · and ${differences.length - 12} more`] : []),
  ]);
}

export function terminal(review: Review): string {
  const quote = plain;
  const sections = sectionsOf(review, quote, plain).map(
    ({ title, items }) => `${title}:\n${items.map((item) => `  - ${item}`).join("\n")}`,
  );
  const diff = diffLines(review);
  const all = [
    headline(review),
    ...verdict(review, quote),
    ...sections,
    ...(diff.length > 0 ? [`All changes:\n${diff.join("\n")}`] : []),
  ];
  return `${all.join("\n\n")}\n`;
}

/** What GitHub takes as a comment. */
export const mostCharacters = 65_536;
/** Items of a section; the second, where a comment has no room for so many of each: all sections have it then. */
const mostItems = [15, 5];
const mostOfItem = 600;

/** By this a pipeline finds the comment that it made before. */
export const marker = (stack: string) => `<!-- authensor review ${stack.replace(/[^\w.-]/g, "")} -->`;

export function markdown(review: Review): string {
  const quote = (text: string) => code(plain(text).slice(0, 300));
  const stop = verdict(review, quote).map((line) => `> **${line.split(":")[0]}:**${line.slice(line.indexOf(":") + 1)}`);
  const all = sectionsOf(review, quote, escaped);
  const heads = mostItems.map((most) =>
    [
      ...[marker(review.stack), `### ${escaped(headline(review))}`, ...stop],
      ...all.map((section) => inMarkdown(section, most)),
    ].join("\n\n"),
  );
  const head = heads.find(({ length }) => length < mostCharacters - 300) ?? heads.at(-1)!;
  const lines = diffLines(review);
  if (lines.length === 0) return `${head}\n`;
  return `${head}\n\n${details(lines, mostCharacters - head.length - 300)}\n`;
}

function inMarkdown({ title, items }: Section, most: number): string {
  const shownItems = items.slice(0, most).map((item) => `- ${cut(item)}`);
  const more = items.length > most ? [`- and ${items.length - most} more, in the job's log`] : [];
  return `**${title}**\n\n${[...shownItems, ...more].join("\n")}`;
}

/** Half of a quotation would let its text out of it: what is cut is all code, and nothing in it ends that. */
const cut = (item: string) =>
  item.length <= mostOfItem
    ? item
    : `${code(item.slice(0, mostOfItem - 60).replaceAll("`", "'"))} … (cut; whole in the job's log)`;

function details(lines: readonly string[], room: number): string {
  let used = 0;
  const fitting = lines.filter((line) => (used += line.length + 1) <= room);
  const more = lines.length - fitting.length;
  const text = [...fitting, ...(more > 0 ? [`… and ${more} lines more, in the job's log`] : [])].join("\n");
  const fence = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `<details><summary>All changes</summary>\n\n${fence}diff\n${text}\n${fence}\n\n</details>`;
}

const longestRun = (text: string) => Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));

/** As code, whatever backticks it has: in it neither Markdown, HTML nor a mention means anything. */
function code(text: string): string {
  const fence = "`".repeat(longestRun(text) + 1);
  const inner = text === "" ? " " : /^`|`$/.test(text) ? ` ${text} ` : text;
  return `${fence}${inner}${fence}`;
}

/** As text, with a space of no width behind an "@", since GitHub looks for mentions in what is rendered. */
const escaped = (text: string) =>
  plain(text)
    .replace(/[\\`*_{}[\]<>#!|~&]/g, "\\$&")
    .replaceAll("@", "@\u200b");
