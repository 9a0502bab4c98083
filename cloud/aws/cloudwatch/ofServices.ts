/**
 * What AWS' own services tell CloudWatch of themselves, below AWS/…, where PutMetricData takes nothing: they have a way of their
 * own, which no SDK knows.
 */
import { urlOf } from "../endpoint";
import { cloudWatch } from "./service";
import type { Identity, Store } from "./store";

/** Where CloudWatch takes it, beside its API. */
export const path = "/of-services";

export interface Measured extends Identity {
  namespace: `AWS/${string}`;
  /** Seconds since 1970. */
  at: number;
  value: number;
}

/** @throws where CloudWatch does not take them; nothing is kept: the next minute has values of its own */
export async function publish(root: string, measured: readonly Measured[]): Promise<void> {
  const address = urlOf(cloudWatch, root);
  if (address === undefined || measured.length === 0) return;
  const body = JSON.stringify(measured);
  const { status } = await fetch(address + path, { method: "POST", body, signal: AbortSignal.timeout(5000) });
  if (status !== 200) throw new Error(`CloudWatch answers ${status}`);
}

export function take(body: Buffer, store: Store): void {
  for (const { at, value, ...metric } of JSON.parse(body.toString()) as Measured[])
    store.add(metric, at, { count: 1, sum: value, minimum: value, maximum: value }, 60);
}
