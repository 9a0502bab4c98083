/** Evaluates every alarm against the store, keeps their states, and tells what they do. */
import { evaluate, evaluationRange, type State } from "./evaluate";
import type { Action, Alarm, AlarmState, CompositeAlarm, MetricAlarm, States } from "./definitions";
import { calculate, type Series } from "./math";
import { holds } from "./rule";
import { statistics, type Store } from "./store";

/** Each period's value of what the alarm compares, the newest last. */
function pointsOf(alarm: MetricAlarm, store: Store, now: number): Series {
  const { period } = alarm;
  const length = evaluationRange(alarm.condition.evaluationPeriods);
  // Whole periods only: one that is still under way would look like less than it is.
  const end = Math.floor(now / period) * period;
  const series: Record<string, Series> = {};
  for (const { id, metric, statistic } of alarm.queries)
    series[id] = store
      .periods(metric, { since: end - length * period, period, length })
      .map((summary) => summary && statistics[statistic](summary));
  for (const { id, expression } of alarm.expressions) series[id] = calculate(expression, { series, period, length });
  return series[alarm.compared] ?? [];
}

/** "Threshold Crossed: [3, 12] of the last 3 …", as much as a person needs. */
function reasonOf({ condition }: MetricAlarm, points: Series, state: State): string {
  const { comparison, threshold, datapointsToAlarm, evaluationPeriods } = condition;
  const shown = points.map((value) => (value === undefined ? "-" : Number(value.toPrecision(6)))).join(" ");
  const rule = `${comparison} ${threshold} for ${datapointsToAlarm} of ${evaluationPeriods} data points`;
  return `${state}: ${rule}; the data points, the newest last: ${shown}`;
}

export class Evaluator {
  constructor(
    private readonly store: Store,
    readonly states: States,
    private readonly onAction: (action: Action) => void,
  ) {}

  /**
   * One round, at a whole ten seconds. Alarms of periods below a minute are evaluated in each, the others once a minute
   * ("High-resolution alarms").
   */
  evaluate(alarms: readonly Alarm[], now: number): void {
    const wholeMinute = Math.floor(now / 10) % 6 === 0;
    for (const alarm of alarms) {
      this.states[alarm.arn] ??= {
        state: "INSUFFICIENT_DATA",
        reason: "Unchecked: Initial alarm creation",
        since: iso(now),
      };
      if (alarm.kind === "metric" && (wholeMinute || alarm.period < 60)) this.evaluateMetric(alarm, now);
    }
    for (const alarm of alarms) if (alarm.kind === "composite") this.evaluateComposite(alarm, alarms, now);
    const known = new Set(alarms.map(({ arn }) => arn));
    for (const arn of Object.keys(this.states)) if (!known.has(arn)) delete this.states[arn];
  }

  private evaluateMetric(alarm: MetricAlarm, now: number): void {
    const points = pointsOf(alarm, this.store, now);
    const state = evaluate(points, alarm.condition);
    if (state !== undefined) this.enter(alarm, state, reasonOf(alarm, points, state), now);
  }

  private evaluateComposite(alarm: CompositeAlarm, alarms: readonly Alarm[], now: number): void {
    const named = (name: string) => alarms.find((other) => [other.name, other.arn].includes(name) && other !== alarm);
    const stateOf = (name: string) => this.states[named(name)?.arn ?? ""]?.state;
    const state = holds(alarm.rule, stateOf) ? "ALARM" : "OK";
    const alarming = alarms.filter(
      (other) => alarm.rule.includes(`"${other.name}"`) && stateOf(other.name) === "ALARM",
    );
    this.enter(alarm, state, `${state}: ${alarming.map(({ name }) => name).join(", ") || "no alarm"} in ALARM`, now);
  }

  private enter(alarm: Alarm, state: State, reason: string, now: number): void {
    const before = this.states[alarm.arn];
    if (before?.state === state) {
      this.states[alarm.arn] = { ...before, reason };
      return;
    }
    const entered: AlarmState = { state, reason, since: iso(now) };
    this.states[alarm.arn] = entered;
    const { enabled, onAlarm, onOk, onInsufficientData } = alarm.actions;
    const targets = { ALARM: onAlarm, OK: onOk, INSUFFICIENT_DATA: onInsufficientData }[state];
    // An alarm that was just made tells nobody that it is well.
    if (!enabled || (before?.state === "INSUFFICIENT_DATA" && state === "OK" && before.reason.startsWith("Unchecked")))
      return;
    for (const target of targets) this.onAction({ at: entered.since, alarm: alarm.name, state, reason, target });
  }
}

const iso = (seconds: number) => new Date(seconds * 1000).toISOString();
