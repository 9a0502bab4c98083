/** `make failover`, and what is refused on its way: a region is lost for real, with everything that ran in it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LocalCloud, type Result } from "./commands";

const cloud = new LocalCloud();
let rehearsal: Result;
beforeAll(async () => {
  rehearsal = await cloud.run("failover");
}, 300_000);
afterAll(() => cloud.remove());

describe("a rehearsal with the primary's region gone", () => {
  test("ends with the control plane writing to what was the replica", () => {
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
    expect(stdout).toMatch(/^without an accepted receipt +\d+\.\d s$/m);
    expect(stdout).toMatch(
      /^chains across the switch +whole: the trail is whole: \d{2,} receipts, \d+ changes, \d+ chain/m,
    );
    const typed = [...stdout.matchAll(/^ +[\d.]+ s {2}\.\/authensor (\S+)/gm)].map(([, name]) => name);
    expect(typed.slice(-3)).toEqual(["lose-region", "forget-region", "up"]);
  });
});

describe("afterwards", () => {
  test("everything that is there is well, and nothing of it is in the region that was lost", async () => {
    const { code, stdout } = await cloud.run("status");
    expect(stdout).toMatch(/ok {4}rds\.Instance authensor-local-replica +PostgreSQL on /);
    expect(stdout).not.toContain("DOWN");
    expect(code, stdout).toBe(0);
  });

  test("the archiver goes on in the same bucket where each chain ended", async () => {
    const { code, stdout } = await cloud.run("cron", "archive");
    expect(code, stdout).toBe(0);
    const verified = await cloud.run("verify", "--archived");
    expect(verified.code, verified.stdout + verified.stderr).toBe(0);
  });

  test("a deployment without failedOver is refused: it would begin with a primary in the lost region", async () => {
    const { code, stderr } = await cloud.run("up", "--set", "replicaEksClusterName=laptop-west");
    expect(code).not.toBe(0);
    expect(stderr).toContain("Could not connect to any endpoint of eu-central-1: the region is lost");
  });

  test("the same region is not forgotten twice", async () => {
    const { code, stderr } = await cloud.run("forget-region", "eu-central-1");
    expect(code).toBe(2);
    expect(stderr).toContain("this state has forgotten eu-central-1 already");
  });
});
