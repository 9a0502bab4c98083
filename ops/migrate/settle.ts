/** The last step of a deployment: the server agrees with the deployed configuration, or will once RDS has applied it. */
import { setTimeout as sleep } from "node:timers/promises";
import { withConnection } from "../database";
import type { Log } from "../log";
import { Failure } from "../program";
import type { Expectations } from "../expectations";
import { findDifferences } from "./check";
import type { Difference } from "./difference";
import { rebootAdvice } from "./reboots";

export interface CheckOptions {
  url: string;
  log: Log;
  signal?: AbortSignal;
  /** How long RDS may take to apply dynamic parameters. */
  waitSeconds: number;
}

/** Asked again this often, milliseconds, and told of this often while it waits. */
const [askEvery, tellEvery] = [5_000, 30_000];

/** Returns when nothing differs. A Failure that lists every difference if one cannot settle by itself, or has not in time. */
export async function checkServer(expectations: Expectations, options: CheckOptions): Promise<void> {
  const { url, log, signal, waitSeconds } = options;
  const started = Date.now();
  let told = -tellEvery;
  for (;;) {
    // A new connection each time: a session keeps some parameters as they were when it began.
    const differences = await withConnection({ url, applicationName: "authensor-migrate (check)", signal }, (client) =>
      findDifferences(client, expectations),
    );
    if (differences.length === 0) {
      return log.info("the server agrees with the deployed configuration", {
        parameters: Object.keys(expectations.parameters).length,
        monthsAhead: expectations.monthsAhead,
      });
    }
    const waited = Date.now() - started;
    const left = 1000 * waitSeconds - waited;
    if (left <= 0 || differences.some(({ settles }) => settles !== "by itself"))
      throw failure(differences, waitSeconds);
    if (waited - told >= tellEvery) {
      told = waited;
      const limit = Math.ceil(waitSeconds / 60);
      log.info(
        `waiting for RDS to apply: ${differences.map(describe).join("; ")}; ${Math.floor(waited / 60_000)} of ${limit} minutes`,
      );
    }
    await sleep(Math.min(askEvery, left), undefined, { signal });
  }
}

function failure(differences: readonly Difference[], waitSeconds: number): Failure {
  const count = `${differences.length} ${differences.length === 1 ? "difference" : "differences"}`;
  const onlyLate = differences.every(({ settles }) => settles === "by itself");
  const late = `RDS has not applied this within ${waitSeconds} s: see the instance's events and its parameter group's status, then deploy again.`;
  return new Failure(`the server differs from the deployed configuration: ${count}`, [
    ...differences.map(describe),
    ...rebootAdvice(differences),
    ...(onlyLate ? [late] : []),
  ]);
}

function describe({ what, expected, actual }: Difference): string {
  return `${what}: expected ${expected}, is ${actual}`;
}
