/** Where a server has its socket: in its own directory, or in one with a shorter name. */
import { chownSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import type { ServiceUser } from "../../host/user";
import { hex } from "../account";

/** Unix sockets' paths are limited to 107 bytes on Linux and 103 on macOS; ".s.PGSQL.12345" is among them. */
const longest = 85;

export const socketDirectoryOf = (directory: string): string =>
  directory.length <= longest ? directory : `/tmp/rds-${hex(directory, 16)}`;

export function ensureSocketDirectory(directory: string, user: ServiceUser | undefined): void {
  const place = socketDirectoryOf(directory);
  if (place === directory) return;
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const { uid } = lstatSync(place);
  if (uid !== process.getuid?.() && uid !== user?.uid) throw new Error(`${place} belongs to another user`);
  if (user) chownSync(place, user.uid, user.gid);
}

/** Removes it where it had to be made elsewhere. */
export function forgetSocketDirectory(directory: string): void {
  const place = socketDirectoryOf(directory);
  if (place !== directory) rmSync(place, { recursive: true, force: true });
}
