/** Who runs servers on this machine. */
import { readFileSync } from "node:fs";

/** Who runs servers where this process is root. */
export interface ServiceUser {
  uid: number;
  gid: number;
  name: string;
}

/** Whether this process is root: PostgreSQL and other servers refuse to be. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The user for servers when this process is root: the one that the PostgreSQL package made, else nobody. */
export function findServiceUser(): ServiceUser | undefined {
  if (!isRoot()) return undefined;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name = "", , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
  const user = users.find(({ name }) => name === "postgres") ?? users.find(({ name }) => name === "nobody");
  if (!user) throw new Error("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody");
  return user;
}
