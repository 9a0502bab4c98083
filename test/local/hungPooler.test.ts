/** One of two poolers that hangs: it keeps its connections, takes new ones, and answers nothing on any. */
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answering } from "../../ops/guard/limits";
import { LocalCloud } from "./commands";
import { ask } from "./decisions";

const cloud = new LocalCloud();
beforeAll(async () => {
  const { code, stdout, stderr } = await cloud.run("up");
  expect(code, stdout + stderr).toBe(0);
});
afterAll(() => cloud.remove());

/** The control plane's process of each pod. */
const poolers = () => cloud.pids("kubernetes:apps/v1:Deployment", "-pgbouncer", "decisions");
/** Together longer than a connection lives: every one is made anew once, to either of the two. */
const [windows, windowSeconds] = [3, 8];
/** What an agent does before it asks again, once the hung one holds what sixteen could give it at full speed. */
const thinkingMs = 100;

test("one of two PgBouncers that answers nothing stops no decisions but those it holds, and those get an answer too", async () => {
  const outputs = cloud.outputs();
  const [hung, other] = poolers();
  expect(other).toBeDefined();
  const agents = Array.from({ length: 16 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  let decided = 0;
  let asking = true;
  const inWindows: number[] = [];
  const clients = agents.map(async (agent) => {
    while (asking) {
      const failure = await ask(agent, outputs, "hung-pooler");
      if (failure === undefined) decided++;
      if (inWindows.length > 0 || failure !== undefined) await sleep(thinkingMs);
    }
  });
  let allAnswered: boolean;
  try {
    process.kill(hung!, "SIGSTOP");
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
