/** What the page's server answers its client with. */
import type { OneReceipt } from "../../ops/verify/oneReceipt";
import type { Found } from "../../ops/search/find";
import type { Report } from "../../ops/verify/report";

export interface AlarmNow {
  name: string;
  state: "OK" | "ALARM" | "INSUFFICIENT_DATA";
  /** ISO time. */
  since: string | undefined;
  /** One sentence. */
  says: string;
  /** The runbook's name. */
  runbook: string | undefined;
  /** CloudWatch's own words on why it is in this state. */
  reason: string;
}

export interface AlarmsWidget {
  kind: "alarms";
  title: string;
  alarms: AlarmNow[];
}

export interface Threshold {
  label: string;
  value: number;
  fill: "above" | "below" | "none";
  color: string | undefined;
}

export interface Line {
  label: string;
  /** One for each time; null where there is none. */
  values: (number | null)[];
}

export interface ChartWidget {
  kind: "chart";
  title: string;
  unit: string | undefined;
  stacked: boolean;
  /** Of the grid's 24 columns. */
  width: number;
  lines: Line[];
  thresholds: Threshold[];
}

export type Widget = AlarmsWidget | ChartWidget | { kind: "text"; text: string };

export interface DashboardNow {
  name: string;
  /** ISO time of this answer. */
  at: string;
  /** Of every chart, in seconds since 1970. */
  times: number[];
  widgets: Widget[];
}

export interface Searched {
  by: "time" | "id" | "words";
  /** ISO times. */
  since: string;
  /** Whether there may be more than these. */
  more: boolean;
  rows: (Omit<Found, "created_at"> & { created_at: string })[];
}

export interface ReceiptNow extends OneReceipt {
  /** ISO time of the check. */
  at: string;
}

/** Events of a verification, as they come. */
export interface VerificationEvents {
  progress: { receipts: number; changes: number; estimate: number };
  report: Report & { summary: string };
  failed: { message: string };
}

export interface Refused {
  error: string;
}
