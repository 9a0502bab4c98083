/**
 * A drill that is killed, wherever: what it has made is the next one's to remove, and keeps no drill off for longer
 * than its lease. Not among the unit tests, whose files share their modules: some are replaced here.
 */
import type { DBInstance } from "@aws-sdk/client-rds";
import { beforeEach, expect, it, vi } from "vitest";
import type { Bucket } from "../../ops/archive/bucket";
import { drill } from "../../ops/drill/drill";
import type { DrillReport } from "../../ops/drill/report";
import { Scratch } from "../../ops/drill/scratch";
import { silentLog } from "../../ops/log";

// What a drill does on the restored server, all at once; what it orders from RDS stays.
vi.mock("../../ops/database", () => ({
  withConnection: () => Promise.resolve({ rows: [{ bytes: String(2 ** 35) }] }),
}));
vi.mock("../../ops/drill/usable", () => ({
  newPassword: () => "password",
  urlOf: () => "",
  takeOver: () => Promise.resolve({ server: {}, moment: "2026-11-29T00:00:00Z" }),
  writeReceipt: () => Promise.resolve(),
}));
vi.mock("../../ops/drill/verification", () => ({ verifyRestored: () => Promise.resolve({ findings: [], more: 0 }) }));
vi.mock("../../ops/drill/compare", () => ({ compareRestored: () => Promise.resolve({ differences: [], more: 0 }) }));
vi.mock("../../ops/drill/helper", () => ({
  jsonOf: JSON.parse,
  runHelper: ({ onLine }: { onLine: (line: string) => void }) => {
    const until = "2026-11-29T00:00:00Z";
    onLine(
      JSON.stringify({
        message: "restored",
        dump: 1,
        oldest: 1,
        newest: 1,
        until,
        receipts: 1,
        changes: 0,
        rowsOfDump: 1,
      }),
    );
    return Promise.resolve({ code: 0, failure: [] });
  },
}));

const tag = { Key: "authensor:drill", Value: "prod" };
const named = (name: string) => Object.assign(new Error(name), { name });

/** RDS' one instance: each order takes until it was asked for twice, and until then it cannot be deleted. */
class Rds {
  instance: DBInstance | undefined;
  orders: string[] = [];
  private busy = 0;

  do(order: string, input: Record<string, unknown>): unknown {
    this.orders.push(order);
    if (order === "DescribeDBInstanceAutomatedBackups")
      return { DBInstanceAutomatedBackups: [{ RestoreWindow: { LatestTime: new Date() } }] };
    if (order === "DescribeDBInstances") return { DBInstances: [this.look()] };
    if (order === "RestoreDBInstanceToPointInTime") return this.make();
    if (!this.instance) throw named("DBInstanceNotFoundFault");
    if (order === "DeleteDBInstance" && this.busy > 0) throw named("InvalidDBInstanceStateFault");
    this.busy = 2;
    if (order === "DeleteDBInstance") this.instance.DBInstanceStatus = "deleting";
    else if (order === "RebootDBInstance") this.become("rebooting", "in-sync");
    else this.instance = { ...this.instance, ...input, DBInstanceStatus: "modifying" };
    return {};
  }

  /** What becomes of it by itself. */
  get status(): string | undefined {
    const { DBInstanceStatus } = this.instance ?? {};
    return DBInstanceStatus === "deleting" && this.busy === 0 ? undefined : DBInstanceStatus;
  }

  private make(): unknown {
    if (this.instance) throw named("DBInstanceAlreadyExistsFault");
    const Endpoint = { Address: "scratch", Port: 5432 };
    this.instance = { TagList: [tag], Endpoint, MasterUsername: "owner", AllocatedStorage: 20 };
    this.become("creating", "pending-reboot");
    this.busy = 2;
    return {};
  }

  private become(DBInstanceStatus: string, ParameterApplyStatus: string): void {
    Object.assign(this.instance!, { DBInstanceStatus, DBParameterGroups: [{ ParameterApplyStatus }] });
  }

  private look(): DBInstance {
    if (!this.status) this.instance = undefined;
    if (!this.instance) throw named("DBInstanceNotFoundFault");
    const { DBInstanceStatus } = this.instance;
    if (this.busy > 0) this.busy--;
    else this.instance.DBInstanceStatus = "available";
    return { ...this.instance, DBInstanceStatus: DBInstanceStatus! };
  }
}

/**
 * @param killed whether an order is the last of the drill's, since nothing of it runs on; and whether RDS still got it
 */
function begin(rds: Rds, killed: (order: number) => "before" | "after" | undefined): Promise<DrillReport> {
  let orders = 0;
  const send = async ({ constructor: { name }, input }: { constructor: { name: string }; input: object }) => {
    const when = killed(++orders);
    const never = new Promise<never>(() => undefined);
    if (when === "before") return never;
    try {
      return rds.do(name.replace(/Command$/, ""), input as Record<string, unknown>);
    } finally {
      if (when === "after") await never;
    }
  };
  const settings = {
    environment: "prod",
    copiesArn: "arn:aws:rds:eu-north-1:1:auto-backup:ab-1",
    ...{ subnetGroup: "subnets", securityGroup: "sg-1", parameterGroup: "parameters" },
    ...{ waitSeconds: 5, pollMilliseconds: 0 },
  };
  const { signal } = new AbortController();
  return drill({
    environment: "prod",
    lease: { renew: () => Promise.resolve(true) },
    scratch: new Scratch(settings, silentLog, signal, { send: send as never }),
    caFile: "",
    bucket: { name: "backups" } as Bucket,
    programs: { verify: "", restore: "" },
    waitSeconds: 1,
    now: () => Promise.resolve(new Date()),
    log: silentLog,
    signal,
  });
}

// What the restore says of its progress.
beforeEach(() => void vi.spyOn(process.stdout, "write").mockReturnValue(true));

/** Of the drill that is killed at that order. @returns whether it came so far */
async function killedAt(rds: Rds, order: number, when: "before" | "after"): Promise<boolean> {
  let came = false;
  const ended = begin(rds, (count) => {
    came ||= count === order;
    return count === order ? when : undefined;
  });
  await Promise.race([ended, vi.waitUntil(() => came, { interval: 1 })]);
  return came;
}

it.each(["before", "after"] as const)(
  "at any order, %s RDS got it, leaves at most one instance, which the next drill reports, removes first, and does without",
  async (when) => {
    const left = new Set<string | undefined>();
    let order = 1;
    for (; ; order++) {
      const rds = new Rds();
      if (!(await killedAt(rds, order, when))) break;
      const leftOver = rds.status;
      left.add(leftOver);
      const next = await begin(rds, () => undefined);
      expect(next.problems, `killed at order ${order}`).toEqual([]);
      expect(next.instance).toMatchObject({ removed: true, leftOverRemoved: leftOver !== undefined });
      expect(rds.instance).toBeUndefined();
    }
    expect(order).toBeGreaterThan(15);
    expect(left).toEqual(new Set([undefined, "creating", "available", "rebooting", "modifying", "deleting"]));
  },
);

it("is made of these orders, and leaves nothing", async () => {
  const rds = new Rds();
  expect(await begin(rds, () => undefined)).toMatchObject({ ok: true, instance: { removed: true } });
  expect(rds.instance).toBeUndefined();
  const changes = rds.orders.filter((order, i) => order !== rds.orders[i - 1] && !order.startsWith("Describe"));
  expect(changes).toEqual([
    "RestoreDBInstanceToPointInTime",
    "RebootDBInstance",
    "ModifyDBInstance",
    "ModifyDBInstance",
    "DeleteDBInstance",
  ]);
});
