/** Alarms as they are given to CloudWatch, written to files by those who make them and read by the process that evaluates them. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Condition, State } from "./evaluate";
import type { Identity, Statistic } from "./store";

export interface MetricQuery {
  id: string;
  metric: Identity;
  statistic: Statistic;
}

export interface Actions {
  enabled: boolean;
  onAlarm: readonly string[];
  onOk: readonly string[];
  onInsufficientData: readonly string[];
}

interface Common {
  name: string;
  arn: string;
  region: string;
  description: string;
  actions: Actions;
}

export interface MetricAlarm extends Common {
  kind: "metric";
  /** Seconds. */
  period: number;
  queries: readonly MetricQuery[];
  /** Metric math over the queries' ids, each of which may use those before it. */
  expressions: readonly { id: string; expression: string }[];
  /** The id of the series that is compared. */
  compared: string;
  condition: Condition;
}

export interface CompositeAlarm extends Common {
  kind: "composite";
  rule: string;
}

export type Alarm = MetricAlarm | CompositeAlarm;

export interface AlarmState {
  state: State;
  reason: string;
  /** ISO time of the last change. */
  since: string;
}

/** What an alarm did: an action that was taken. */
export interface Action {
  at: string;
  alarm: string;
  state: State;
  reason: string;
  target: string;
}

export const files = (root: string) => ({
  alarms: join(root, "alarms"),
  dashboards: join(root, "dashboards"),
  states: join(root, "states.json"),
  actions: join(root, "actions.jsonl"),
  metrics: join(root, "metrics.json"),
});

/** Of a dashboard's body, as it was given. */
export const dashboardFile = (root: string, name: string) => join(files(root).dashboards, `${name}.json`);

/** What a file holds; `fallback` where it is not there or is being written. */
export function readJson<T>(file: string, fallback: T): T {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } catch {
    return fallback;
  }
}

export const readAlarms = (root: string): Alarm[] => alarmFiles(root).map(({ alarm }) => alarm);

/** Those of a region that is lost ring nowhere. */
export function removeAlarms(root: string, region: string): void {
  for (const { file, alarm } of alarmFiles(root)) if (alarm.region === region) rmSync(file, { force: true });
}

function alarmFiles(root: string): { file: string; alarm: Alarm }[] {
  const directory = files(root).alarms;
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const file = join(directory, name);
    const alarm = readJson<Alarm | undefined>(file, undefined);
    return alarm === undefined ? [] : [{ file, alarm }];
  });
}

/** By ARN: an alarm's name is its region's. */
export type States = Record<string, AlarmState>;
export const readStates = (root: string): States => readJson<States>(files(root).states, {});
