/** What the deployment's alarms say, for `make status`. */
import { cloudWatchRoot } from "../cloud/aws/cloudwatch/service";
import { readAlarms, readStates, type Alarm, type AlarmState } from "../cloud/aws/cloudwatch/definitions";
import { readIfThere } from "../cloud/host/files";
import type { Environment } from "./environment";

export interface AlarmReport {
  /** Lines for a person. */
  lines: string[];
  /** Whether one of those that wake someone is in ALARM. */
  pages: boolean;
}

/** @param composites names of the alarms that say whether anything pages */
export function reportAlarms(
  alarms: readonly Alarm[],
  states: Readonly<Record<string, AlarmState>>,
  composites: readonly string[],
): AlarmReport {
  const stateOf = ({ arn }: Alarm) => states[arn]?.state;
  const metric = alarms.filter(({ kind }) => kind === "metric");
  const count = (state: string) => metric.filter((alarm) => (stateOf(alarm) ?? "INSUFFICIENT_DATA") === state).length;
  const alarming = metric.filter((alarm) => stateOf(alarm) === "ALARM").sort((a, b) => (a.name < b.name ? -1 : 1));
  const summary = `${metric.length} alarms: ${count("OK")} OK, ${alarming.length} in ALARM, ${count("INSUFFICIENT_DATA")} without data`;
  const details = alarming.map(
    (alarm) => `  ALARM  ${alarm.name} since ${states[alarm.arn]?.since}: ${alarm.description}`,
  );
  const pages = alarms.some((alarm) => composites.includes(alarm.name) && stateOf(alarm) === "ALARM");
  return { lines: metric.length === 0 ? [] : [summary, ...details], pages };
}

export function alarmReport({ state, outputsFile }: Environment): AlarmReport {
  const root = cloudWatchRoot(state.root);
  const outputs = JSON.parse(readIfThere(outputsFile) ?? "{}") as { alarms?: { page?: string[] } };
  return reportAlarms(readAlarms(root), readStates(root), outputs.alarms?.page ?? []);
}
