/**
 * `make failover ARGS=--and-back`, and what is refused on its way: regions are lost for real, with everything that ran
 * in them.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitUntil } from "../../cloud/host/wait";
import { LocalCloud, type Result } from "./commands";

const cloud = new LocalCloud();
let rehearsal: Result;
beforeAll(async () => {
  rehearsal = await cloud.run("failover", "--and-back");
}, 420_000);
afterAll(() => cloud.remove());

describe("a rehearsal with the primary's region gone, then that of the server which was promoted", () => {
  test("ends with the control plane writing to the new replica, where the first primary was", () => {
    expect(rehearsal.stderr).toBe("");
    const [, acknowledged, total] =
      /^acknowledged receipts +(\d+),[^]*the trail is whole: (\d+) receipts/m.exec(rehearsal.stdout) ?? [];
    expect(Number(acknowledged)).toBeGreaterThan(50);
    expect(Number(total)).toBeGreaterThan(50);
  });

  test("names each acknowledged receipt that an asynchronous replica had not yet, and is no success with one", () => {
    const said = /of which (none|\d+)/.exec(rehearsal.stdout)?.[1];
    const named = [...rehearsal.stdout.matchAll(/^ {2}[0-9a-f-]{36}, acknowledged -?\d+ ms before the last/gm)];
    expect(said).toBe(named.length === 0 ? "none" : String(named.length));
    expect(rehearsal.code).toBe(named.length === 0 ? 0 : 1);
  });

  test("says how long nothing was accepted, that the chains are whole across the switch, and what was typed", () => {
    const { stdout } = rehearsal;
    const pauses = [...stdout.matchAll(/^without an accepted receipt +\d+\.\d s, from (\S+) to (\S+)$/gm)];
    expect(pauses.map(([, from, to]) => `${from} ${to}`)).toEqual(["eu-central-1 eu-west-1", "eu-west-1 eu-central-1"]);
    expect(stdout).toMatch(
      /^chains across the switch +whole: the trail is whole: \d{2,} receipts, \d+ changes, \d+ chain/m,
    );
    const [, told = ""] = stdout.split("what the operator did");
    const typed = [...told.matchAll(/^ +[\d.]+ s {2}\.\/authensor (\S+)/gm)].map(([, name]) => name);
    const move = ["lose-region", "forget-region", "up"];
    expect(typed).toEqual([...move, "return-region", "up", ...move]);
  });
});

describe("afterwards", () => {
  test("everything that is there is well, and nothing of it is in the region that was lost", async () => {
    // Its exit code is not asked for: an alarm may tell of the minutes without a heartbeat that there were.
    const { stdout } = await cloud.run("status");
    expect(stdout).toMatch(/ok {4}rds\.Instance authensor-local-replica-2 +PostgreSQL on /);
    expect(stdout).not.toContain("DOWN");
    const heard = async () => !(await cloud.run("status")).stdout.includes("ALARM  authensor-local-monitor-silent");
    await waitUntil("the monitor is heard", heard, { timeoutMs: 90_000 });
  });

  test("the archiver goes on in the same bucket where each chain ended", async () => {
    const { code, stdout } = await cloud.run("cron", "archive");
    expect(code, stdout).toBe(0);
    const verified = await cloud.run("verify", "--archived");
    expect(verified.code, verified.stdout + verified.stderr).toBe(0);
  });

  test("a new replica in a region that is still lost is refused in one line, before anything is touched", async () => {
    const { code, stderr } = await cloud.run("up", "--set", "replicaEksClusterName=laptop-west");
    expect(code).not.toBe(0);
    expect(stderr).toContain("Could not connect to any endpoint of eu-west-1: the region is lost");
    expect((await cloud.run("status")).stdout).not.toContain("DOWN");
  });

  test("the same region is not forgotten twice, and none returns that is not lost", async () => {
    const forgotten = await cloud.run("forget-region", "eu-west-1");
    expect(forgotten.code).toBe(2);
    expect(forgotten.stderr).toContain("this state has forgotten eu-west-1 already");
    const returned = await cloud.run("return-region", "eu-central-1");
    expect(returned.code).toBe(2);
    expect(returned.stderr).toContain("eu-central-1 is not lost");
  });
});
