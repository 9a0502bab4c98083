import { metrics, namespace as monitored, type MetricName } from "../../ops/monitor/metrics";

/** Who is told how soon: a page wakes someone, a ticket waits for the morning. */
export const severities = ["page", "ticket"] as const;
export type Severity = (typeof severities)[number];

/** Whose region an alarm is in: CloudWatch sees no metric of another one. */
export type Place = "primary" | "replica";

type Statistic = "Maximum" | "Minimum" | "Average" | "Sum" | "SampleCount";
type MissingData = "breaching" | "notBreaching" | "ignore" | "missing";

/** What is compared: a metric of the monitor's, or one that RDS itself publishes of a server. */
export type Measured =
  | { of: "monitor"; metric: MetricName; label?: string }
  | { of: "server"; metric: string; /** Metric math over the metric, which is `m1`. */ expression?: string };

export interface Alarm {
  /** Also of its runbook: docs/runbooks/<name>.md. */
  name: string;
  severity: Severity;
  place: Place;
  measured: Measured;
  statistic: Statistic;
  /** Seconds. */
  period: number;
  comparison: "above" | "below";
  threshold: number;
  /** So many of so many data points. */
  datapoints: [toAlarm: number, evaluated: number];
  missing: MissingData;
  /** One sentence, with the number. */
  says: string;
}

/** What a row of the tables must say; the rest follows from what is measured. */
export type Row = Omit<Alarm, "place" | "measured" | "statistic" | "period" | "missing"> & Partial<Alarm>;

/**
 * An alarm on a metric of the monitor's, by the minute. What is missing leaves it as it was: that the monitor is silent is one
 * alarm's to say, not thirty's.
 */
export const watched = (metric: MetricName, row: Row & { label?: string }): Alarm => {
  const { label, ...rest } = row;
  return {
    place: "primary",
    measured: { of: "monitor", metric, ...(label !== undefined && { label }) },
    statistic: metrics[metric].statistic,
    period: 60,
    missing: "ignore",
    ...rest,
  };
};

export const gib = 1024 ** 3;

/** The metric's namespace and name, as CloudWatch knows it. */
export const namespaceOf = ({ of }: Measured): string => (of === "monitor" ? monitored : "AWS/RDS");
