/** The whole program rolled over under load, by clients that keep their connections, as agents do; then one of its poolers hangs. */
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { files, type Action } from "../../cloud/aws/cloudwatch/definitions";
import { cloudWatchRoot } from "../../cloud/aws/cloudwatch/service";
import { readIfThere } from "../../cloud/host/files";
import { waitUntil } from "../../cloud/host/wait";
import type { LocalOutputs } from "../../local/outputs";
import { answering } from "../../ops/guard/limits";
import { prometheusName } from "../../ops/monitor/prometheus";
import { changes, LocalCloud } from "./commands";
import { ask, load, thinkingMs } from "./decisions";

const cloud = new LocalCloud();
const settings = (...more: string[]) => ["controlPlaneMinPods=2", ...more].flatMap((setting) => ["--set", setting]);
let first: LocalOutputs;
beforeAll(async () => {
  const { code, stdout, stderr } = await cloud.run("up", ...settings());
  expect(code, stdout + stderr).toBe(0);
  first = cloud.outputs();
});
afterAll(() => cloud.remove());

async function query<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}
const stored = async (id: string) =>
  (
    await query<{ count: number }>(
      cloud.outputs().auditUrl,
      `select count(*)::int from receipts where actor_id = '${id}'`,
    )
  )[0]?.count;

test("no request fails and none is stored twice while PgBouncer and then the control plane are rolled, with new passwords", async () => {
  const agents = load(cloud.outputs(), "rollout");
  const rollout = await cloud.run("up", ...settings("passwordGeneration=2", 'controlPlaneEnv={"ROLLED":"1"}'));
  expect(rollout.code, rollout.stdout + rollout.stderr).toBe(0);
  expect(changes(rollout)).toEqual(
    expect.arrayContaining([
      "apps.Deployment authensor-local-control-plane updated",
      "apps.Deployment authensor-local-pgbouncer updated",
    ]),
  );
  expect(agents.sent()).toBeGreaterThan(1000);
  expect(await agents.end()).toEqual([]);
  expect(await stored("rollout")).toBe(agents.sent());
}, 300_000);

test("none fails when the next change of passwords is cut off in the middle and deployed again; those of the generation before go on working, older ones do not", async () => {
  const second = cloud.outputs();
  const agents = load(second, "cut-off");
  const third = settings("passwordGeneration=3", 'controlPlaneEnv={"ROLLED":"2"}');
  const cutOff = cloud.begin("up", ...third);
  await cutOff.printed("apps.Deployment authensor-local-pgbouncer  updated");
  cutOff.child.kill("SIGKILL");
  expect((await cutOff.result).signal).toBe("SIGKILL");
  const finished = await cloud.run("up", ...third);
  expect(finished.code, finished.stdout + finished.stderr).toBe(0);
  expect(changes(finished)).toContain("apps.Deployment authensor-local-control-plane updated");
  expect(await agents.end()).toEqual([]);
  expect(await stored("cut-off")).toBe(agents.sent());

  const [one, two, three] = [first, second, cloud.outputs()].map(({ auditUrl, monitorUrl }) => ({
    auditUrl,
    monitorUrl,
  }));
  for (const url of [two!, three!].flatMap((urls) => Object.values(urls)))
    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  await expect(query(one!.auditUrl, "select 1")).rejects.toThrow(/SASL authentication failed/);
  await expect(query(one!.monitorUrl, "select 1")).rejects.toThrow(/password authentication failed/);
}, 300_000);

test("of all that no alarm of the pool or the control plane has told anybody, and in the end every PgBouncer pod answers the monitor", async () => {
  const allAnswer = async () => {
    const response = await fetch(`http://127.0.0.1:${cloud.ports("-monitor")[0]}/metrics`);
    return (await response.text()).includes(`${prometheusName("PoolersUnreachable")}{environment="local"} 0`);
  };
  await waitUntil("every PgBouncer pod answers", allAnswer, { timeoutMs: 90_000, everyMs: 200 });
  const actions = readIfThere(files(cloudWatchRoot(cloud.root)).actions) ?? "";
  const taken = actions.split("\n").flatMap((line) => (line === "" ? [] : (JSON.parse(line) as Action)));
  // Those of the database are left out: a machine that is busy with other tests is late with its heartbeats.
  const rolled = taken.filter(({ alarm }) => /-(pool-\w+|pgbouncer-unreachable|control-plane-not-ready)$/.test(alarm));
  expect(rolled.filter(({ state }) => state === "ALARM")).toEqual([]);
});

/** The control plane's process of each pod. */
const poolers = () => cloud.pids("kubernetes:apps/v1:Deployment", "-pgbouncer", "decisions");
/** Together longer than a connection lives: every one is made anew once, to either of the two. */
const [windows, windowSeconds] = [3, 8];
/** So long they ask without a pause: sixteen want every connection that there may be. */
const rushSeconds = 2;

test("one of two PgBouncers that answers nothing stops no decisions but those it holds, and those get an answer too", async () => {
  const outputs = cloud.outputs();
  const [hung, other] = poolers();
  expect(other).toBeDefined();
  const agents = Array.from({ length: 16 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  let decided = 0;
  let asking = true;
  let pause = 0;
  const inWindows: number[] = [];
  const clients = agents.map(async (agent) => {
    while (asking) {
      const failure = await ask(agent, outputs, "hung-pooler");
      if (failure === undefined) decided++;
      await sleep(failure === undefined ? pause : thinkingMs);
    }
  });
  let allAnswered: boolean;
  try {
    process.kill(hung!, "SIGSTOP");
    await sleep(rushSeconds * 1000);
    pause = thinkingMs;
    for (let window = 0; window < windows; window++) {
      const before = decided;
      await sleep(windowSeconds * 1000);
      inWindows.push(decided - before);
    }
    const status = await cloud.run("status");
    expect(status.code).toBe(1);
    expect(status.stdout).toMatch(/Liveness probe failed/);
    asking = false;
    allAnswered = await Promise.race([Promise.all(clients).then(() => true), sleep(2 * answering * 1000, false)]);
  } finally {
    process.kill(hung!, "SIGCONT");
    asking = false;
    for (const agent of agents) agent.destroy();
    await Promise.all(clients);
  }
  expect(inWindows.filter((count) => count === 0)).toEqual([]);
  expect(allAnswered).toBe(true);
}, 300_000);
