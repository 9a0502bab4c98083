/** Sends to CloudWatch, and keeps what CloudWatch does not take until it does: in order, and no more than a bounded number. */
import {
  CloudWatchClient,
  PutMetricDataCommand,
  type MetricDatum,
  type PutMetricDataCommandInput,
} from "@aws-sdk/client-cloudwatch";
import type { Log } from "../log";
import { metrics, namespace } from "./metrics";
import { isFast, type Datum } from "./series";

/** Of a call, by CloudWatch's quota 1,000; fewer keep one call well below its 1 MB. */
const mostInOneCall = 500;
/** About twelve hours; CloudWatch takes what is up to two weeks old. What is older than the oldest kept is lost, and said. */
const mostKept = 50_000;
/** A call is refused for good where a data point of it is: by its value, or older than two weeks or more than two hours ahead. */
const isForGood = ({ name }: Error): boolean => name.startsWith("InvalidParameter");

type Send = (input: PutMetricDataCommandInput) => Promise<unknown>;

export class Publisher {
  private kept: MetricDatum[] = [];
  private lost = 0;
  private refused = false;
  private sending: Promise<void> | undefined;

  constructor(
    private readonly environment: string,
    private readonly send: Send,
    private readonly log: Log,
  ) {}

  /** Data points that wait. */
  get waiting(): number {
    return this.kept.length;
  }

  add(data: readonly Datum[]): void {
    this.kept.push(...data.map((datum) => this.asMetricDatum(datum)));
    const excess = this.kept.length - mostKept;
    if (excess <= 0) return;
    this.kept.splice(0, excess);
    this.lost += excess;
  }

  /** Sends what waits. One call at a time; who comes meanwhile waits for the same. */
  flush(): Promise<void> {
    this.sending ??= this.sendAll().finally(() => (this.sending = undefined));
    return this.sending;
  }

  private async sendAll(): Promise<void> {
    while (this.kept.length > 0) {
      const part = this.kept.slice(0, mostInOneCall);
      try {
        await this.sendOrDrop(part);
      } catch (error) {
        if (!this.refused)
          this.log.warn("CloudWatch takes no metrics; they are kept", { reason: (error as Error).name });
        this.refused = true;
        return;
      }
    }
    if (!this.refused) return;
    this.log.info("CloudWatch takes metrics again", { lost: this.lost });
    this.refused = false;
    this.lost = 0;
  }

  /** What is refused for good is halved until the data point that is to blame is alone, and dropped; the others are sent. */
  private async sendOrDrop(part: readonly MetricDatum[]): Promise<void> {
    try {
      await this.send({ Namespace: namespace, MetricData: [...part] });
    } catch (error) {
      const { name: reason } = error as Error;
      if (!isForGood(error as Error)) throw error;
      if (part.length > 1) {
        await this.sendOrDrop(part.slice(0, part.length / 2));
        await this.sendOrDrop(part.slice(part.length / 2));
        return;
      }
      this.log.warn("CloudWatch refuses a data point, which is lost", { metric: part[0]?.MetricName, reason });
    }
    // Not by number: the oldest may have been dropped while the call was under way.
    const done = new Set(part);
    this.kept = this.kept.filter((datum) => !done.has(datum));
  }

  private asMetricDatum({ name, label, at, values }: Datum): MetricDatum {
    const metric = metrics[name];
    const by = "by" in metric && label !== undefined ? [{ Name: metric.by, Value: label }] : [];
    return {
      MetricName: name,
      Dimensions: [{ Name: "Environment", Value: this.environment }, ...by],
      Timestamp: at,
      Unit: metric.unit,
      Values: values,
      ...(isFast(name) && { StorageResolution: 1 }),
    };
  }
}

/** Credentials, region and, on a machine that stands for AWS, the endpoint come from the environment, as the SDK reads it. */
export function cloudWatch(): Send {
  const client = new CloudWatchClient({
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 3000, requestTimeout: 8000, throwOnRequestTimeout: true },
  });
  return (input) => client.send(new PutMetricDataCommand(input));
}
