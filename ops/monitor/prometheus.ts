/** The newest values, for Prometheus. */
import { Gauge, Registry } from "prom-client";
import { metricNames, metrics, type MetricName, type Sample } from "./metrics";

/** "authensor_postgres_replication_lag_seconds". */
export const prometheusName = (name: MetricName) =>
  `authensor_postgres${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;

export class Prometheus {
  readonly registry = new Registry();
  private readonly gauges: ReadonlyMap<MetricName, Gauge>;
  private readonly failing: Gauge;

  constructor(environment: string) {
    this.registry.setDefaultLabels({ environment });
    const registers = [this.registry];
    this.gauges = new Map(
      metricNames.map((name) => {
        const metric = metrics[name];
        const labelNames = "by" in metric ? [metric.by.toLowerCase()] : [];
        return [name, new Gauge({ name: prometheusName(name), help: metric.what, labelNames, registers })];
      }),
    );
    // A gauge without labels begins at 0, which nobody has measured.
    this.forget(metricNames);
    this.failing = new Gauge({
      name: "authensor_monitor_source_failing",
      help: "Whether the last run of a source failed",
      labelNames: ["source"],
      registers,
    });
  }

  set({ name, label, value }: Sample): void {
    const metric = metrics[name];
    const gauge = this.gauges.get(name);
    if ("by" in metric && label !== undefined) gauge?.set({ [metric.by.toLowerCase()]: label }, value);
    else gauge?.set(value);
  }

  sourceEnded(source: string, failed: boolean): void {
    this.failing.set({ source }, failed ? 1 : 0);
  }

  /** A value that could not be read again is no value: left standing, it would look like a measurement. */
  forget(names: readonly MetricName[]): void {
    for (const name of names) {
      if ("by" in metrics[name]) this.gauges.get(name)?.reset();
      else this.gauges.get(name)?.remove();
    }
  }
}
