/** One chart of the dashboard: lines over time, the alarms' thresholds, and the same in numbers for those who do not see it. */
import uPlot from "uplot";
import type { ChartWidget, Threshold } from "../answers";
import { element, table } from "./dom";
import { quantity } from "./format";

const height = 150;
const lineColors = 8;

const style = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const lineColor = (place: number) => style(`--line-${place % lineColors}`);

export interface Chart {
  readonly root: HTMLElement;
  update(widget: ChartWidget, times: readonly number[]): void;
  redraw(): void;
}

export function makeChart({ title, width }: ChartWidget): Chart {
  const plotted = element("div", { class: "plot", "aria-hidden": "true" });
  const values = element("div");
  const caption = element("figcaption", {}, element("h3", {}, title));
  const root = element("figure", { class: "chart" }, caption, plotted, values);
  root.style.gridColumn = `span ${width}`;
  let plot: uPlot | undefined;
  let drawn = "";

  new ResizeObserver(() => {
    if (plotted.clientWidth > 0) plot?.setSize({ width: plotted.clientWidth, height });
  }).observe(plotted);

  return {
    root,
    update(now, times) {
      const empty = now.lines.every((line) => line.values.every((value) => value === null));
      root.classList.toggle("empty", empty);
      values.replaceChildren(empty ? element("p", { class: "quiet" }, "No data in this time.") : numbers(now));
      const shape = JSON.stringify([now.lines.map(({ label }) => label), now.thresholds]);
      if (shape !== drawn || empty) {
        plot?.destroy();
        plot = undefined;
        drawn = shape;
      }
      if (empty) return;
      const data = [times, ...series(now)] as uPlot.AlignedData;
      if (plot) plot.setData(data);
      else plot = new uPlot(optionsOf(now, plotted.clientWidth || 320), data, plotted);
    },
    redraw: () => plot?.redraw(false),
  };
}

/** Of stacked lines each is drawn on top of those before it; the uppermost first, so that none is hidden. */
function series({ stacked, lines }: ChartWidget): (number | null)[][] {
  if (!stacked) return lines.map((line) => line.values);
  const sums: (number | null)[][] = [];
  for (const { values } of lines) {
    const below = sums.at(-1);
    sums.push(values.map((value, at) => (value === null ? (below?.[at] ?? null) : value + (below?.[at] ?? 0))));
  }
  return sums.reverse();
}

function optionsOf({ stacked, lines, thresholds, unit }: ChartWidget, width: number): uPlot.Options {
  const places = lines.map((_, place) => (stacked ? lines.length - 1 - place : place));
  const axis: uPlot.Axis = {
    stroke: () => style("--quiet"),
    grid: { stroke: () => style("--edge"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  const highest = Math.max(0, ...thresholds.map(({ value }) => value));
  return {
    width,
    height,
    legend: { show: false },
    cursor: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { y: { range: (_, __, most) => [0, 1.08 * Math.max(highest, most ?? 0) || 1] } },
    axes: [
      { ...axis, space: 60, size: 28, values: (_, splits) => splits.map(clock) },
      { ...axis, size: 62, space: 34, values: (_, splits) => splits.map((value) => quantity(value, unit)) },
    ],
    series: [
      {},
      ...places.map((place): uPlot.Series => {
        const color = () => lineColor(place);
        return { stroke: color, ...(stacked && { fill: color }), width: 2, points: { size: 5, fill: color } };
      }),
    ],
    hooks: { draw: [(plot) => thresholds.forEach((threshold) => drawThreshold(plot, threshold))] },
  };
}

const clock = (seconds: number) => new Date(seconds * 1000).toISOString().slice(11, 16);

function drawThreshold(plot: uPlot, { value, fill, color = "#888888" }: Threshold): void {
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(value, "y", true));
  ctx.save();
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  // A strip on the side that alarms: the whole of it would be louder than the alarm itself.
  const strip = 5 * devicePixelRatio;
  ctx.globalAlpha = 0.2;
  if (fill === "above") ctx.fillRect(bbox.left, y - strip, bbox.width, strip);
  if (fill === "below") ctx.fillRect(bbox.left, y, bbox.width, strip);
  ctx.restore();
}

function numbers({ title, unit, lines, thresholds }: ChartWidget): HTMLElement {
  const rows = lines
    .map((line, place) => ({ ...line, place, there: line.values.filter((value) => value !== null) }))
    .filter(({ there }) => there.length > 0);
  const swatch = (place: number) =>
    element("span", { class: `swatch line-${place % lineColors}`, "aria-hidden": "true" });
  const made = table(
    `${title}: the latest values`,
    [
      { title: "Line", cell: ({ label, place }) => element("span", {}, swatch(place), label) },
      { title: "Now", number: true, cell: ({ there }) => quantity(there.at(-1), unit) },
      { title: "Least", number: true, cell: ({ there }) => quantity(Math.min(...there), unit) },
      { title: "Most", number: true, cell: ({ there }) => quantity(Math.max(...there), unit) },
    ],
    rows,
  );
  if (thresholds.length === 0) return made;
  const limits = thresholds.map(({ label, value, fill }) => `${label} ${fill} ${quantity(value, unit)}`);
  return element("div", {}, made, element("p", { class: "quiet" }, `Alarm: ${limits.join("; ")}`));
}
