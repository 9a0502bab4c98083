/** Now: whether all is well, which alarms are not, and the dashboard's charts; asked anew every few seconds. */
import type { AlarmNow, DashboardNow, Widget } from "../answers";
import { ask, Locked } from "./api";
import { makeChart, type Chart } from "./chart";
import { byId, element, say, table } from "./dom";
import { age, time } from "./format";
import { alarmsOf, changes, wellness, type Wellness } from "./wellness";

/** Milliseconds between two looks. */
const every = 5000;

/** Points that a chart has at the least, with a value or without. */
const leastPoints = 12;

const charts = new Map<string, Chart>();
let heard: AlarmNow[] = [];
let latest: string | undefined;
let layout = "";

/** @param onLocked the session is over */
export function watch(onLocked: () => void): void {
  const range = byId<HTMLSelectElement>("range");
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = async () => {
    clearTimeout(timer);
    try {
      show(await ask<DashboardNow>("dashboard", { seconds: range.value || undefined }));
    } catch (error) {
      if (error instanceof Locked) return onLocked();
      lost(error as Error);
    }
    if (!document.hidden) timer = setTimeout(() => void look(), every);
  };
  range.addEventListener("change", () => void look());
  document.addEventListener("visibilitychange", () => document.hidden || void look());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((one) => one.redraw()));
  void look();
}

function show(answer: DashboardNow): void {
  const { at, widgets } = answer;
  latest = at;
  const groups = alarmsOf(widgets);
  const all = groups.flatMap(({ alarms }) => alarms);
  banner(wellness(groups));
  say(byId("at"), `As of ${time(at)} UTC`);
  say(byId("spoken"), changes(heard, all));
  heard = all;
  byId("alarming").replaceChildren(...groups.flatMap(({ title, alarms }) => alarming(title, alarms, Date.parse(at))));
  for (const group of groups) listAlarms(group.title, group.alarms);
  byId("watched").classList.remove("old");
  draw(fromFirstValue(answer));
}

/** What is shown from here on is old, and must not look like an answer. */
function lost(error: Error): void {
  const since = latest === undefined ? "" : ` What is below is as of ${time(latest)} UTC.`;
  banner({ level: "unknown", headline: "Not known: no connection", details: `${error.message}${since}` });
  byId("watched").classList.add("old");
}

function banner({ level, headline, details }: Wellness): void {
  byId("banner").className = level;
  say(byId("headline"), headline);
  say(byId("details"), details);
  document.title = `${level === "good" ? "" : "● "}${headline} – Authensor's database`;
}

const runbook = ({ name, runbook }: AlarmNow) =>
  runbook === undefined
    ? undefined
    : element("a", { href: `/docs/runbooks/${runbook}.html` }, `What to do about ${name}`);

function alarming(title: string, alarms: readonly AlarmNow[], now: number): HTMLElement[] {
  const those = alarms.filter(({ state }) => state === "ALARM");
  if (those.length === 0) return [];
  const items = those.map((alarm) =>
    element(
      "li",
      {},
      element("strong", {}, alarm.says),
      element("p", { class: "quiet" }, `${alarm.name}${alarm.since ? `, for ${age(alarm.since, now)}` : ""}`),
      runbook(alarm),
    ),
  );
  return [element("h2", {}, title), element("ul", { class: "cards" }, ...items)];
}

/** All of them, in a table that stays open while it is read. */
function listAlarms(title: string, alarms: readonly AlarmNow[]): void {
  const key = alarms.map(({ name, state, since }) => `${name}${state}${since}`).join();
  const places = byId("all-alarms");
  const place = [...places.children].find((one): one is HTMLElement => (one as HTMLElement).dataset["of"] === title);
  if (place?.dataset["key"] === key) return;
  const rows = table(
    title,
    [
      { title: "Alarm", cell: ({ name }) => name },
      { title: "State", cell: ({ state }) => element("span", { class: `state ${state}` }, words[state]) },
      { title: "Since (UTC)", cell: ({ since }) => (since === undefined ? "–" : time(since)) },
      { title: "It says", cell: ({ says }) => says },
      { title: "Runbook", cell: (alarm) => runbook(alarm) },
    ],
    alarms,
  );
  const made = element("div", { "data-of": title, "data-key": key }, element("h3", {}, title), rows);
  if (place) place.replaceWith(made);
  else places.append(made);
}

const words: Record<AlarmNow["state"], string> = { OK: "OK", ALARM: "ALARM", INSUFFICIENT_DATA: "no data" };

/** A deployment that is young has no lines but at the right edge: the charts begin where the first of them does. */
function fromFirstValue({ widgets, times }: DashboardNow): Pick<DashboardNow, "widgets" | "times"> {
  const drawn = widgets.flatMap((widget) => (widget.kind === "chart" ? widget.lines : []));
  const begins = drawn.map(({ values }) => values.findIndex((value) => value !== null)).filter((place) => place >= 0);
  const first = Math.max(0, Math.min(...begins, times.length - leastPoints) - 1);
  const cut = (widget: Widget): Widget =>
    widget.kind === "chart"
      ? { ...widget, lines: widget.lines.map((line) => ({ ...line, values: line.values.slice(first) })) }
      : widget;
  return { widgets: widgets.map(cut), times: times.slice(first) };
}

function draw({ widgets, times }: Pick<DashboardNow, "widgets" | "times">): void {
  const place = byId("dashboard");
  const shape = JSON.stringify(
    widgets.map((one) => (one.kind === "chart" ? one.title : one.kind === "text" && one.text)),
  );
  if (shape !== layout) {
    layout = shape;
    charts.clear();
    place.replaceChildren();
    let section = element("section", { class: "charts" });
    for (const [index, widget] of widgets.entries()) {
      if (widget.kind === "text") {
        const id = `question-${index}`;
        section = element("section", { class: "charts", "aria-labelledby": id }, element("h2", { id }, widget.text));
        place.append(section);
      } else if (widget.kind === "chart") {
        const chart = makeChart(widget);
        charts.set(widget.title, chart);
        section.append(chart.root);
      }
    }
  }
  for (const widget of widgets) if (widget.kind === "chart") charts.get(widget.title)?.update(widget, times);
}
