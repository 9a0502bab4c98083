/** Which server is rebooted, when, and what is waited for; on real servers: test/local/reboot.test.ts. */
import { beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "../../ops/log";
import type { Difference } from "../../ops/migrate/difference";
import type { Instance, State } from "../../ops/reboot/instance";
import { rebootWhatWaits } from "../../ops/reboot/reboot";

let done: string[];

/** An instance of RDS whose states are told one after the other, the last one for ever; a reboot puts what waits in force. */
class Server {
  differences: Difference[];
  states: State[] = [{ status: "available", pendingReboot: true }];
  busy = 0;
  starts = 0;
  /** States that RDS tells after the reboot was asked for, while the old server still answers. */
  lingering: State[] = [];
  replayedAfter = 0;
  refuses = false;

  constructor(
    readonly identifier: string,
    ...differences: Difference[]
  ) {
    this.differences = differences;
  }

  state(): Promise<State> {
    const [now = { status: "available", pendingReboot: false }] = this.states;
    if (this.lingering.length === 0 && this.pending) this.restart();
    if (this.states.length > 1) this.states.shift();
    this.lingering.shift();
    done.push(`${this.identifier}: ${now.status}`);
    return Promise.resolve(now);
  }

  private pending = false;
  private restart(): void {
    this.pending = false;
    this.starts++;
    if (!this.refuses) this.differences = [];
  }

  reboot(): Promise<boolean> {
    if (this.busy-- > 0) return Promise.resolve(false);
    done.push(`${this.identifier}: reboot`);
    this.pending = true;
    return Promise.resolve(true);
  }

  waiting(): Promise<Difference[]> {
    return Promise.resolve(this.differences);
  }
  startedAt(): Promise<string> {
    return Promise.resolve(String(this.starts));
  }
  position(): Promise<string> {
    return Promise.resolve("0/5");
  }
  hasReplayed(position: string): Promise<boolean> {
    done.push(`${this.identifier}: replayed ${position}?`);
    return Promise.resolve(this.replayedAfter-- <= 0);
  }
}

const changed = (what: string, is: string, wanted: string): Difference => ({
  what,
  expected: wanted,
  actual: is,
  settles: "by reboot",
  values: [wanted, is],
});
const raised = changed("max_connections", "200", "400");
const lowered = changed("max_connections", "400", "200");

const run = (primary: Server, replica?: Server, waitSeconds = 5) =>
  rebootWhatWaits(
    { primary: primary as unknown as Instance, replica: replica as unknown as Instance },
    { log: silentLog, signal: new AbortController().signal, waitSeconds, pollMilliseconds: 1 },
  );
const reboots = () => done.filter((what) => what.endsWith(": reboot"));

beforeEach(() => {
  done = [];
});

describe("what is rebooted", () => {
  test("is the replica first where a value is raised, the primary only once the replica is back", async () => {
    expect(await run(new Server("primary", raised), new Server("replica", raised))).toEqual(["replica", "primary"]);
    expect(reboots()).toEqual(["replica: reboot", "primary: reboot"]);
    expect(done.indexOf("primary: reboot")).toBeGreaterThan(done.lastIndexOf("replica: available"));
  });

  test("is the primary first where it is lowered, the replica once it has replayed that", async () => {
    const replica = new Server("replica", lowered);
    replica.replayedAfter = 2;
    expect(await run(new Server("primary", lowered), replica)).toEqual(["primary", "replica"]);
    expect(done.filter((what) => what.startsWith("replica: replayed"))).toEqual(
      Array(3).fill("replica: replayed 0/5?"),
    );
    expect(done.indexOf("replica: reboot")).toBeGreaterThan(done.lastIndexOf("replica: replayed 0/5?"));
  });

  test("is the one that waits, alone: RDS is not asked of the other", async () => {
    expect(await run(new Server("primary"), new Server("replica", raised))).toEqual(["replica"]);
    expect(done.filter((what) => what.startsWith("primary"))).toEqual([]);
    // Raised: it need not replay anything first.
    expect(done.filter((what) => what.startsWith("replica: replayed"))).toEqual([]);
  });

  test("is nothing where the directions contradict each other", async () => {
    const both = [raised, changed("max_worker_processes", "16", "8")];
    await expect(run(new Server("primary", ...both), new Server("replica"))).rejects.toThrow("no order of reboots");
    expect(done).toEqual([]);
  });

  test("is nothing that an earlier run has asked for already", async () => {
    const primary = new Server("primary", raised);
    primary.states = [
      { status: "rebooting", pendingReboot: true },
      { status: "available", pendingReboot: false },
    ];
    const asked = primary.state.bind(primary);
    primary.state = async () => {
      const now = await asked();
      if (now.status === "available") primary.differences = [];
      return now;
    };
    expect(await run(primary)).toEqual([]);
    expect(reboots()).toEqual([]);
  });
});

describe("a reboot", () => {
  test.each<[string, State[]]>([
    ["while the instance is being modified", [{ status: "modifying", pendingReboot: true }]],
    ["before RDS has taken over the parameter group", [{ status: "available", pendingReboot: false }]],
  ])("is not asked for %s", async (_, before) => {
    const primary = new Server("primary", raised);
    primary.states = [...before, { status: "available", pendingReboot: true }];
    expect(await run(primary)).toEqual(["primary"]);
    expect(done.indexOf("primary: reboot")).toBe(2);
  });

  test("is asked for again where the instance is busy", async () => {
    const primary = new Server("primary", raised);
    primary.busy = 2;
    expect(await run(primary)).toEqual(["primary"]);
    expect(reboots()).toHaveLength(1);
  });

  test("is over once the server has started anew, not while RDS still calls the old one available", async () => {
    const primary = new Server("primary", raised);
    primary.lingering = Array<State>(4).fill({ status: "available", pendingReboot: true });
    expect(await run(primary)).toEqual(["primary"]);
    expect(done.slice(done.indexOf("primary: reboot") + 1).length).toBeGreaterThan(3);
  });

  test("is over once RDS calls the instance available, not when its server first answers", async () => {
    const primary = new Server("primary", raised);
    primary.states = [
      { status: "available", pendingReboot: true },
      { status: "rebooting", pendingReboot: true },
      { status: "rebooting", pendingReboot: false },
      { status: "available", pendingReboot: false },
    ];
    expect(await run(primary)).toEqual(["primary"]);
    expect(done.slice(-1)).toEqual(["primary: available"]);
  });

  test("that changed nothing fails and names what still differs", async () => {
    const primary = new Server("primary", raised);
    primary.refuses = true;
    await expect(run(primary)).rejects.toMatchObject({
      message: "primary was rebooted and still differs from the deployed configuration",
      details: ["max_connections: expected 400, is 200"],
    });
  });

  test("that RDS never gets to is given up, and what was waited for is said", async () => {
    const primary = new Server("primary", raised);
    primary.states = [{ status: "modifying", pendingReboot: true }];
    await expect(run(primary, undefined, 0)).rejects.toThrow(
      "waited 0 s until RDS reports pending-reboot for primary, in vain",
    );
  });
});
