/** The whole program rolled over under load, by clients that keep their connections, as agents do. */
import { Agent } from "node:http";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changes, LocalCloud } from "./commands";
import { ask } from "./decisions";

const cloud = new LocalCloud();
const set = (...settings: string[]) => settings.flatMap((setting) => ["--set", setting]);
const pods = "controlPlaneMinPods=2";
beforeAll(async () => {
  const { code, stdout, stderr } = await cloud.run("up", ...set(pods));
  expect(code, stdout + stderr).toBe(0);
});
afterAll(() => cloud.remove());

const wanted = 10_000;

test(`of ${wanted} requests none fails and none is stored twice while PgBouncer and then the control plane are rolled`, async () => {
  const outputs = cloud.outputs();
  const failed: string[] = [];
  let sent = 0;
  let rolling = true;
  const client = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (rolling || sent < wanted) {
      sent++;
      const failure = await ask(agent, outputs, "rollout");
      if (failure !== undefined) failed.push(failure);
    }
    agent.destroy();
  };
  const clients = Array.from({ length: 16 }, client);
  const rollout = await cloud.run("up", ...set(pods, "pgbouncerMaxClients=201", 'controlPlaneEnv={"ROLLED":"1"}'));
  const during = sent;
  rolling = false;
  await Promise.all(clients);
  expect(rollout.code, rollout.stdout + rollout.stderr).toBe(0);
  expect(changes(rollout)).toEqual(
    expect.arrayContaining([
      "apps.Deployment authensor-local-control-plane updated",
      "apps.Deployment authensor-local-pgbouncer updated",
    ]),
  );
  expect(during).toBeGreaterThan(1000);
  expect(failed).toEqual([]);
  const database = new Client({ connectionString: cloud.outputs().auditUrl });
  await database.connect();
  const { rows } = await database.query("select count(*)::int as count from receipts where actor_id = 'rollout'");
  await database.end();
  expect(rows).toEqual([{ count: sent }]);
}, 300_000);
