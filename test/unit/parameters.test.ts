import { describe, expect, test } from "vitest";
import { expectedSettings, parameterGroupFamily, replicaParameters } from "../../components/parameters";
import { primaryParameters, type Parameter } from "../../components/tuning";

const values = (parameters: Parameter[]) => Object.fromEntries(parameters.map(({ name, value }) => [name, value]));
const small = { instanceClass: "db.t4g.medium", storageGib: 20, maxConnections: 200 };
const large = { instanceClass: "db.r7g.4xlarge", storageGib: 1000, maxConnections: 1000 };

describe("the primary's parameters", () => {
  test("on a small class are exactly these, in RDS' units", () => {
    expect(values(primaryParameters(small))).toEqual({
      checkpoint_timeout: "900",
      max_wal_size: "4096",
      min_wal_size: "1024",
      checkpoint_completion_target: "0.9",
      wal_compression: "zstd",
      synchronous_commit: "on",
      max_connections: "200",
      max_worker_processes: "8",
      max_locks_per_transaction: "256",
      idle_in_transaction_session_timeout: "60000",
      log_min_duration_statement: "1000",
      log_lock_waits: "1",
      log_autovacuum_min_duration: "10000",
      track_io_timing: "1",
      autovacuum_vacuum_insert_scale_factor: "0.05",
      autovacuum_vacuum_scale_factor: "0.05",
      autovacuum_analyze_scale_factor: "0.02",
      autovacuum_vacuum_cost_limit: "2000",
      autovacuum_max_workers: "3",
      maintenance_work_mem: "131072",
      random_page_cost: "1.1",
      shared_preload_libraries: "pg_stat_statements",
      "rds.force_ssl": "1",
    });
  });

  test("on a large class grow where size matters, and stay where it does not", () => {
    const [before, after] = [values(primaryParameters(small)), values(primaryParameters(large))];
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(Object.fromEntries(changed.map((name) => [name, after[name]]))).toEqual({
      max_wal_size: "32768",
      min_wal_size: "8192",
      max_connections: "1000",
      max_worker_processes: "32",
      autovacuum_max_workers: "8",
      maintenance_work_mem: "1048576",
    });
  });

  // Class, storage, and the WAL between checkpoints: by memory, never over a fifth of the disk, 1 GiB at least, 32 at most.
  test.each([
    ["db.t4g.micro", 20, "1024"],
    ["db.t4g.medium", 100, "4096"],
    ["db.r7g.large", 20, "4096"],
    ["db.r7g.large", 200, "16384"],
    ["db.r8g.48xlarge", 64_000, "32768"],
  ])("%s with %d GiB has a max_wal_size of %s MB", (instanceClass, storageGib, expected) => {
    expect(values(primaryParameters({ ...small, instanceClass, storageGib })).max_wal_size).toBe(expected);
  });

  // PostgreSQL's pg_settings has "postmaster" as the context of exactly these.
  test("wait for a reboot where PostgreSQL takes them only at its start, and apply at once elsewhere", () => {
    const waiting = primaryParameters(small).filter((parameter) => parameter.applyMethod === "pending-reboot");
    expect(waiting.map(({ name }) => name).sort()).toEqual([
      "autovacuum_max_workers",
      "max_connections",
      "max_locks_per_transaction",
      "max_worker_processes",
      "shared_preload_libraries",
    ]);
  });

  test("each has a reason and a source, no suffixed unit and no RDS formula", () => {
    for (const { name, value, reason, source } of replicaParameters({
      ...small,
      primaryInstanceClass: "db.r7g.large",
    })) {
      expect(reason, name).toMatch(/^[A-Za-z].{30,}\.$/);
      expect(source, name).toMatch(/^https:\/\/(www\.postgresql\.org|docs\.aws\.amazon\.com)\//);
      expect(value, name).toMatch(/^(\d+(\.\d+)?|on|zstd|pg_stat_statements)$/);
    }
  });

  test("never name what RDS keeps for itself", () => {
    const names = replicaParameters({ ...small, primaryInstanceClass: "db.r7g.large" }).map(({ name }) => name);
    for (const reserved of ["wal_level", "archive_mode", "fsync", "full_page_writes", "ssl"]) {
      expect(names).not.toContain(reserved);
    }
    expect(new Set(names).size).toBe(names.length);
  });

  test("are refused for a class nothing is known of", () => {
    expect(() => primaryParameters({ ...small, instanceClass: "db.q9.large" })).toThrow("db.q9.large");
  });
});

describe("the replica's parameters", () => {
  test("are the primary's and three of its own, on the same class", () => {
    const replica = values(replicaParameters({ ...small, primaryInstanceClass: small.instanceClass }));
    expect(replica).toEqual({
      ...values(primaryParameters(small)),
      hot_standby_feedback: "1",
      max_standby_streaming_delay: "5000",
      max_standby_archive_delay: "5000",
    });
  });

  test("on a smaller class keep what a standby must have at least, and shrink the rest", () => {
    const replica = values(
      replicaParameters({ ...large, instanceClass: "db.r7g.large", primaryInstanceClass: large.instanceClass }),
    );
    expect(replica).toMatchObject({
      max_connections: "1000",
      max_worker_processes: "32",
      max_locks_per_transaction: "256",
      autovacuum_max_workers: "3",
      max_wal_size: "16384",
      maintenance_work_mem: "524288",
    });
  });

  test("on a larger class are sized for it", () => {
    const replica = values(
      replicaParameters({ ...small, instanceClass: "db.r7g.4xlarge", primaryInstanceClass: small.instanceClass }),
    );
    expect(replica).toMatchObject({ max_worker_processes: "32", max_connections: "200" });
  });
});

test("the server is checked for all of them but RDS' own", () => {
  const parameters = primaryParameters(small);
  const { "rds.force_ssl": _forced, ...rest } = values(parameters);
  expect(expectedSettings(parameters)).toEqual(rest);
});

test.each([
  ["17", "postgres17"],
  ["16.9", "postgres16"],
])("PostgreSQL %s takes parameters of the family %s", (version, family) => {
  expect(parameterGroupFamily(version)).toBe(family);
});
