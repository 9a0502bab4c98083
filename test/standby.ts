/** A standby of a test's server: what a replica is on RDS. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import pg from "pg";
import { freePort } from "../cloud/host/ports";
import { findServiceUser } from "../cloud/host/user";
import { superuser, type TestPostgres } from "./postgres";

export interface TestStandby {
  /** The same URL, to the standby. */
  url(ofPrimary: string): string;
  /** One statement as superuser, such as `select pg_wal_replay_pause()`. */
  query(sql: string): Promise<void>;
  stop(): void;
}

export async function startStandby(server: TestPostgres): Promise<TestStandby> {
  const user = findServiceUser();
  const data = join(server.dir, "standby");
  const run = (program: string, ...args: string[]) =>
    execFileSync(join(server.bin, program), args, {
      ...(user && { uid: user.uid, gid: user.gid }),
      ...{ cwd: server.dir, stdio: "ignore" },
    });
  run("pg_basebackup", "-D", data, "-R", "-c", "fast", "-d", server.url(superuser));
  const port = await freePort();
  const log = join(server.dir, "standby.log");
  run("pg_ctl", "-D", data, "-w", "-l", log, "-o", `-p ${port} -c unix_socket_directories=''`, "start");
  const url = (ofPrimary: string) => ofPrimary.replace(`:${server.port}/`, `:${port}/`);
  return {
    url,
    async query(sql) {
      const client = new pg.Client({ connectionString: url(server.url(superuser)) });
      await client.connect();
      await client.query(sql).finally(() => client.end());
    },
    stop: () => void run("pg_ctl", "-D", data, "-m", "immediate", "stop"),
  };
}
