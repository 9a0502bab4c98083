/** Watches the deployment: measures every ten seconds, publishes to CloudWatch each minute, answers for its health. Changes one row. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { databaseUrl, describeUrl } from "./database";
import { integerSetting, runProgram, textSetting, type Context } from "./program";
import { Health } from "./monitor/health";
import { Heartbeat } from "./monitor/heartbeat";
import { serve } from "./monitor/http";
import { relieveLockTable } from "./monitor/lockTable";
import { fastEverySeconds, samplesOf, type MetricName } from "./monitor/metrics";
import { Prometheus } from "./monitor/prometheus";
import { cloudWatch, Publisher } from "./monitor/publisher";
import { runSources, type Outcome } from "./monitor/scheduler";
import { Series } from "./monitor/series";
import { Server } from "./monitor/server";
import { monitorConnections } from "./roles";
import type { Part } from "./monitor/source";
import { sourcesFor } from "./monitor/sources";

const help = `
Environment:
  ENVIRONMENT             the deployment's name: the metrics' dimension
  DATABASE_URL[_FILE]     authensor_monitor's URL of the primary itself
  REPLICA_URL_FILE        a file with its URL of the replica; not set: there is none
  POOL_URL_FILE           a file with its URL through PgBouncer
  POOLERS                 host:port of PgBouncer's pods, divided by commas; a name stands for every address it leads to
  CONTROL_PLANE_URL       the control plane
  ARCHIVE_MINUTES         how far the locked bucket may be behind the database (default 20)
  COPIES_ARN              the copies of the primary's automated backups; not set: there are none
  PORT, HOST              where /health, /health/ready and /metrics are (default 8080, all addresses)
  AWS_REGION …            as the AWS SDK reads them

Exit codes: 0 stopped, 1 failed, 2 wrong usage or settings.`;

const publishEverySeconds = 60;
/** So long the first publication waits for a source that does not answer, or for a heartbeat. */
const firstWithinSeconds = 1.5;

/** The content of a file that a setting names; undefined where it is not set. */
function urlFile(name: string): string | undefined {
  if (process.env[name] === undefined) return undefined;
  return databaseUrl({ DATABASE_URL_FILE: process.env[name] });
}

async function run({ log, signal }: Context): Promise<void> {
  const environment = textSetting("ENVIRONMENT", "prod");
  const primaryUrl = databaseUrl();
  const replicaUrl = urlFile("REPLICA_URL_FILE");
  const poolUrl = readFileSync(textSetting("POOL_URL_FILE", "/etc/authensor/pool/url"), "utf8").trim();
  const poolers = textSetting("POOLERS", "pgbouncer-pods.authensor.svc.cluster.local:6432").split(",");
  const controlPlaneUrl = textSetting("CONTROL_PLANE_URL", "http://control-plane.authensor.svc.cluster.local:3000");
  for (const url of [primaryUrl, poolUrl, ...(replicaUrl === undefined ? [] : [replicaUrl])]) describeUrl(url);

  const primary = new Server(primaryUrl, "authensor-monitor");
  const beats = new Server(primaryUrl, "authensor-heartbeat", monitorConnections.heartbeat);
  const replica = replicaUrl === undefined ? undefined : new Server(replicaUrl, "authensor-monitor");
  const heartbeat = new Heartbeat();
  const series = new Series();
  const prometheus = new Prometheus(environment);
  const parts: Part[] = [
    "primary",
    "pool",
    "partitions",
    "verification",
    "archive",
    "controlPlane",
    ...(replica ? (["replica", "lag"] as const) : []),
  ];
  const health = new Health(parts);
  const publisher = new Publisher(environment, cloudWatch(), log);
  const sources = sourcesFor({
    urls: [primaryUrl, poolUrl, ...(replicaUrl === undefined ? [] : [replicaUrl])],
    archiveMinutes: integerSetting("ARCHIVE_MINUTES", 20),
    copiesArn: process.env["COPIES_ARN"],
  });

  const access = {
    primary,
    replica,
    poolers,
    poolUrl,
    controlPlaneUrl,
    heartbeat: () => heartbeat.newest,
  };

  const failing = new Set<string>();
  const published = new Map<string, MetricName[]>();
  let lastOutcome = Date.now();
  const onOutcome = ({ source, collected }: Outcome) => {
    lastOutcome = Date.now();
    prometheus.sourceEnded(source.name, collected === undefined);
    if (collected === undefined) failing.add(source.name);
    else failing.delete(source.name);
    const samples = samplesOf(collected?.samples ?? source.unanswered?.(access) ?? {});
    prometheus.forget(published.get(source.name) ?? []);
    published.set(source.name, [...new Set(samples.map(({ name }) => name))]);
    if (source.everySeconds > publishEverySeconds) series.stand(source.name, samples);
    else for (const sample of samples) series.add(sample);
    const failed = { name: "SourcesFailing", value: failing.size } as const;
    series.add(failed);
    for (const sample of [...samples, failed]) prometheus.set(sample);
    health.note(collected?.findings ?? (collected === undefined ? (source.onFailure ?? []) : []));
  };

  let begun = false;
  const complete = new AbortController();
  const waitedFor = new Set(["sources", "heartbeat"]);
  const came = (what: "sources" | "heartbeat") => {
    if (waitedFor.delete(what) && waitedFor.size === 0) complete.abort();
  };
  const publish = async () => {
    // At once, of the minute before: an alarm that is made after the monitor must find that it is not silent.
    const enough = AbortSignal.any([signal, complete.signal]);
    await sleep(firstWithinSeconds * 1000, undefined, { signal: enough }).catch(() => undefined);
    publisher.add(series.take(true, new Date(Date.now() - fastEverySeconds * 1000)));
    publisher.add(series.take(false, new Date(Date.now() - publishEverySeconds * 1000)));
    await publisher.flush();
    begun = true;
    for (let turn = 1; !signal.aborted; turn++) {
      // A minute without a heartbeat is a minute of none, not one without data.
      series.add({ name: "HeartbeatsWritten", value: 0 });
      // What came in during the ten seconds before belongs to them.
      const at = new Date();
      await sleep(fastEverySeconds * 1000, undefined, { signal }).catch(() => undefined);
      publisher.add(series.take(true, at));
      if (signal.aborted || turn % (publishEverySeconds / fastEverySeconds) === 0)
        publisher.add(series.take(false, new Date(Date.now() - publishEverySeconds * 1000)));
      // Not waited for: a CloudWatch that is slow must not slow the clock.
      void publisher.flush();
    }
    await publisher.flush();
  };

  // A source every ten seconds: a minute without one is a monitor that is stuck.
  const http = await serve({
    port: integerSetting("PORT", 8080),
    host: process.env["HOST"] ?? "::",
    health,
    prometheus,
    alive: () => begun && Date.now() - lastOutcome < 60_000,
  });
  log.info("watching", { environment, sources: sources.map(({ name }) => name), replica: replica !== undefined });
  await Promise.all([
    heartbeat.run(beats, signal, {
      before: async () => {
        const value = await relieveLockTable(beats, log, signal);
        series.add({ name: "LockTableUsedPercent", value });
      },
      onWritten: () => {
        series.add({ name: "HeartbeatsWritten", value: 1 });
        came("heartbeat");
      },
    }),
    runSources({ sources, access, log, signal, onOutcome, onFirstRound: () => came("sources") }),
    publish(),
  ]);
  http.close();
  http.closeAllConnections();
  for (const server of [primary, beats, replica]) await server?.end();
}

void runProgram("monitor", "Watches the deployment and publishes what it sees.", (command: Command, context) => {
  command.addHelpText("after", help).action(() => run(context));
});
