/** A dashboard's body, as CloudWatch documents it ("Dashboard Body Structure and Syntax"): as much of it as is drawn here. */
import { z } from "zod";
import { AwsError } from "../account";
import { isStatistic } from "./store";

const statistic = z.string().refine(isStatistic, "a statistic that the local cloud knows");
const period = z.int().multipleOf(60).min(60);
const color = z.string().regex(/^#[0-9a-f]{6}$/i);
const region = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/);

/** Strict: what is not drawn here is refused, not passed over. */
const ofSeries = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z]\w*$/)
    .optional(),
  label: z.string().optional(),
  stat: statistic.optional(),
  period: period.optional(),
  region: region.optional(),
  visible: z.boolean().optional(),
  color: color.optional(),
  expression: z.string().optional(),
});

export type SeriesOptions = z.infer<typeof ofSeries>;

const series = z
  .array(z.unknown())
  .min(1)
  .transform((entry, context) => {
    const last = ofSeries.safeParse(entry.at(-1));
    const names = last.success ? entry.slice(0, -1) : entry;
    const options: SeriesOptions = last.success ? last.data : {};
    const texts = z.array(z.string().min(1)).safeParse(names);
    const expression = options.expression !== undefined;
    if (!texts.success || (expression ? names.length > 0 : names.length < 2 || names.length % 2 !== 0)) {
      context.addIssue("must be [namespace, name, dimension, value …, options] or [{ expression }]");
      return z.NEVER;
    }
    const [namespace = "", name = "", ...rest] = texts.data;
    const dimensions = Object.fromEntries(
      rest.flatMap((dimension, place) => (place % 2 === 0 ? [[dimension, rest[place + 1]!]] : [])),
    );
    return { namespace, name, dimensions, options };
  });

export type DrawnSeries = z.infer<typeof series>;

const annotation = z.strictObject({
  label: z.string().optional(),
  value: z.number(),
  fill: z.enum(["above", "below", "none"]).optional(),
  color: color.optional(),
});

const axis = z.strictObject({
  min: z.number().optional(),
  max: z.number().optional(),
  label: z.string().optional(),
  showUnits: z.boolean().optional(),
});

const place = {
  x: z.int().min(0).max(23),
  y: z.int().min(0),
  width: z.int().min(1).max(24),
  height: z.int().min(1).max(1000),
};

const text = z.strictObject({
  ...place,
  type: z.literal("text"),
  properties: z.strictObject({
    markdown: z.string(),
    background: z.enum(["transparent", "solid"]).optional(),
  }),
});

const alarm = z.strictObject({
  ...place,
  type: z.literal("alarm"),
  properties: z.strictObject({
    title: z.string().optional(),
    alarms: z.array(z.string().startsWith("arn:")).min(1).max(100),
    sortBy: z.enum(["default", "stateUpdatedTimestamp", "timestamp"]).optional(),
  }),
});

const metric = z.strictObject({
  ...place,
  type: z.literal("metric"),
  properties: z.strictObject({
    title: z.string().optional(),
    view: z.literal("timeSeries").optional(),
    stacked: z.boolean().optional(),
    region,
    period: period.optional(),
    stat: statistic.optional(),
    metrics: z.array(series).max(500),
    annotations: z.strictObject({ horizontal: z.array(annotation) }).optional(),
    yAxis: z.strictObject({ left: axis.optional() }).optional(),
  }),
});

const body = z.strictObject({
  start: z
    .string()
    .regex(/^-P(T\d+[HM]|\d+[DWM])$/)
    .optional(),
  periodOverride: z.enum(["auto", "inherit"]).optional(),
  widgets: z.array(z.discriminatedUnion("type", [text, alarm, metric])).max(500),
});

export type DashboardBody = z.infer<typeof body>;
export type MetricWidget = z.infer<typeof metric>;

/** CloudWatch quotas: metrics of all widgets together. */
const mostSeries = 2500;

/** @throws AwsError with the first thing that CloudWatch would refuse, or that is not drawn here */
export function readDashboard(text: string): DashboardBody {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new AwsError("DashboardInvalidInputError", `the body is not JSON: ${(error as Error).message}`);
  }
  const parsed = body.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new AwsError("DashboardInvalidInputError", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  }
  const count = parsed.data.widgets.reduce(
    (sum, widget) => sum + (widget.type === "metric" ? widget.properties.metrics.length : 0),
    0,
  );
  if (count > mostSeries)
    throw new AwsError("DashboardInvalidInputError", `${count} metrics; a dashboard has at most ${mostSeries}`);
  for (const { x, width } of parsed.data.widgets)
    if (x + width > 24) throw new AwsError("DashboardInvalidInputError", `a widget at ${x} is wider than the grid`);
  return parsed.data;
}
