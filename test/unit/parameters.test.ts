import { describe, expect, test } from "vitest";
import { catalogOf, postgres } from "../../cloud/aws/rds/binaries";
import { applyMethod } from "../../components/parameters/applyMethod";
import { expectedSettings, type Parameter, parameterGroupFamily } from "../../components/parameters/parameter";
import { primaryParameters } from "../../components/parameters/primaryParameters";
import { replicaParameters } from "../../components/parameters/replicaParameters";

const values = (parameters: Parameter[]) => Object.fromEntries(parameters.map(({ name, value }) => [name, value]));
const small = { postgresVersion: "17", instanceClass: "db.t4g.medium", storageGib: 20, maxConnections: 200 };
const large = { postgresVersion: "17", instanceClass: "db.r7g.4xlarge", storageGib: 1000, maxConnections: 1000 };

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
      max_worker_processes: "32",
      max_locks_per_transaction: "1024",
      idle_in_transaction_session_timeout: "60000",
      temp_file_limit: "2097152",
      log_min_duration_statement: "1000",
      log_statement: "ddl",
      log_connections: "1",
      log_disconnections: "1",
      log_lock_waits: "1",
      log_autovacuum_min_duration: "10000",
      track_io_timing: "1",
      autovacuum_vacuum_insert_scale_factor: "0.05",
      autovacuum_vacuum_scale_factor: "0.05",
      autovacuum_analyze_scale_factor: "0.02",
      autovacuum_vacuum_cost_limit: "2000",
      autovacuum_max_workers: "5",
      maintenance_work_mem: "131072",
      random_page_cost: "1.1",
      shared_preload_libraries: "pg_stat_statements",
      "pg_stat_statements.track_utility": "0",
      "rds.restrict_password_commands": "1",
      "rds.force_ssl": "1",
    });
  });

  test("on a large class grow where size matters, and stay where it does not", () => {
    const [before, after] = [values(primaryParameters(small)), values(primaryParameters(large))];
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(Object.fromEntries(changed.map((name) => [name, after[name]]))).toEqual({
      max_wal_size: "32768",
      temp_file_limit: "104857600",
      min_wal_size: "8192",
      max_connections: "1000",
      maintenance_work_mem: "1048576",
    });
  });

  test("fit into PostgreSQL's integers on the largest disk that RDS has", () => {
    const { temp_file_limit } = values(primaryParameters({ ...large, storageGib: 65_536 }));
    expect(temp_file_limit).toBe("2147483647");
  });

  // A change that waits for a reboot fails the check after the migrations until there was one.
  test("that take a reboot are the same for every class: only maxConnections asks for one", () => {
    const waiting = (instanceClass: string, postgresVersion: string) =>
      primaryParameters({ ...small, instanceClass, postgresVersion })
        .filter(({ name }) => applyMethod(name, "no default of RDS", Number(postgresVersion)) === "pending-reboot")
        .map(({ name, value }) => [name, value]);
    for (const version of ["15", "18"])
      expect(waiting("db.t4g.micro", version)).toEqual(waiting("db.r8g.48xlarge", version));
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

  test("each has a reason and a source, no suffixed unit and no RDS formula", () => {
    for (const { name, value, reason, source } of replicaParameters(small)) {
      expect(reason, name).toMatch(/^[A-Za-z].{30,}\.$/);
      expect(source, name).toMatch(/^https:\/\/(www\.postgresql\.org|docs\.aws\.amazon\.com)\//);
      expect(value, name).toMatch(/^(\d+(\.\d+)?|on|ddl|zstd|pg_stat_statements)$/);
    }
  });

  test("never name what RDS keeps for itself", () => {
    const names = replicaParameters(small).map(({ name }) => name);
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
    expect(values(replicaParameters(small))).toEqual({
      ...values(primaryParameters(small)),
      hot_standby_feedback: "1",
      max_standby_streaming_delay: "5000",
      max_standby_archive_delay: "5000",
    });
  });

  // PostgreSQL's list ("Hot Standby", Administrator's Overview): replay pauses where a standby has less than its primary.
  test("have nothing less than the primary's that a standby must have, whichever of the two grows first", () => {
    const classes = ["db.t4g.micro", "db.t4g.2xlarge", "db.r7g.large", "db.r7g.16xlarge", "db.r8g.48xlarge"];
    const critical = [
      "max_connections",
      "max_worker_processes",
      "max_locks_per_transaction",
      "max_wal_senders",
      "max_prepared_transactions",
    ];
    const of = (instanceClass: string, parametersOf: typeof primaryParameters) =>
      values(parametersOf({ ...small, instanceClass })) as Record<string, string | undefined>;
    for (const primaryClass of classes) {
      for (const replicaClass of classes) {
        const [primary, replica] = [of(primaryClass, primaryParameters), of(replicaClass, replicaParameters)];
        for (const name of critical)
          expect([primaryClass, replicaClass, name, replica[name]]).toEqual([
            primaryClass,
            replicaClass,
            name,
            primary[name],
          ]);
      }
    }
  });
});

describe("a parameter is applied", () => {
  // As `postgres --describe-config` of 15.14, 16.14, 17.10 and 18.4 has them.
  const atStart = [
    ...["max_connections", "max_locks_per_transaction", "max_worker_processes"],
    ...["rds.restrict_password_commands", "shared_preload_libraries"],
  ];
  const dynamic = { ...small, instanceClass: "db.r7g.4xlarge" };

  test.each([
    ["15", ["autovacuum_max_workers", ...atStart]],
    ["16", ["autovacuum_max_workers", ...atStart]],
    ["17", ["autovacuum_max_workers", ...atStart]],
    ["18", atStart],
  ])(
    "by a reboot in %s where PostgreSQL takes it only at its start, or where the value is RDS' own",
    (version, names) => {
      const waiting = replicaParameters({ ...dynamic, postgresVersion: version })
        .filter((parameter) => parameter.applyMethod === "pending-reboot")
        .map(({ name }) => name);
      const rdsOwn = [
        "checkpoint_completion_target",
        "log_autovacuum_min_duration",
        "rds.force_ssl",
        "synchronous_commit",
        "track_io_timing",
        "wal_compression",
      ];
      expect(waiting.sort()).toEqual([...names, ...rdsOwn].sort());
    },
  );

  test.each([
    ["max_wal_size", "2048", 17, "pending-reboot"],
    ["max_wal_size", "4096", 17, "immediate"],
    ["min_wal_size", "192", 17, "pending-reboot"],
    ["min_wal_size", "1024", 17, "immediate"],
    ["rds.force_ssl", "1", 15, "pending-reboot"],
    ["rds.force_ssl", "1", 14, "immediate"],
    ["rds.force_ssl", "0", 15, "immediate"],
    ["checkpoint_completion_target", "0.9", 18, "pending-reboot"],
    ["checkpoint_completion_target", "0.8", 18, "immediate"],
    ["synchronous_commit", "on", 16, "pending-reboot"],
    ["synchronous_commit", "off", 16, "immediate"],
    ["log_autovacuum_min_duration", "10000", 15, "pending-reboot"],
    ["autovacuum_vacuum_scale_factor", "0.1", 17, "pending-reboot"],
    ["autovacuum_vacuum_scale_factor", "0.05", 17, "immediate"],
    ["autovacuum_max_workers", "8", 17, "pending-reboot"],
    ["autovacuum_max_workers", "8", 18, "immediate"],
    ["max_connections", "200", 18, "pending-reboot"],
    ["log_statement", "ddl", 17, "immediate"],
  ])("%s = %s in %d: %s", (name, value, major, method) => {
    expect(applyMethod(name, value, major)).toBe(method);
  });

  test("as the PostgreSQL of this machine takes it", () => {
    const server = postgres();
    const catalog = catalogOf(server);
    const parameters = replicaParameters({ ...dynamic, postgresVersion: String(server.major) });
    const ofServer = parameters.filter(({ name }) => catalog.has(name));
    expect(ofServer.length).toBeGreaterThan(20);
    for (const { name } of ofServer) {
      const method = catalog.get(name)?.context === "postmaster" ? "pending-reboot" : "immediate";
      expect([name, applyMethod(name, "no default of RDS", server.major)]).toEqual([name, method]);
    }
  });
});

test.each([
  ["17", "1"],
  ["18", "all"],
])(
  "PostgreSQL %s logs connections with %s: a boolean until 17; from 18 RDS takes no number",
  (postgresVersion, expected) => {
    expect(values(primaryParameters({ ...small, postgresVersion })).log_connections).toBe(expected);
  },
);

test("the server is checked for all of them but RDS' own", () => {
  const parameters = primaryParameters(small);
  const { "rds.force_ssl": _forced, "rds.restrict_password_commands": _restricted, ...rest } = values(parameters);
  expect(expectedSettings(parameters)).toEqual(rest);
});

test.each([
  ["17", "postgres17"],
  ["16.9", "postgres16"],
])("PostgreSQL %s takes parameters of the family %s", (version, family) => {
  expect(parameterGroupFamily(version)).toBe(family);
});
