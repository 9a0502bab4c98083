/** One command at a time on one local directory. A lock whose process is dead is taken over. */
import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readIfThere } from "./files";
import { processMark } from "./pidFile";

export class Locked extends Error {}

/** Takes the lock or throws `Locked`, which says who has it. Returns what gives it back. */
export function takeLock(directory: string, command: string): () => void {
  const file = join(directory, "lock");
  const mine = `${process.pid} ${processMark(process.pid)} ${new Date().toISOString()} ${command}\n`;
  const ticket = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  writeFileSync(ticket, mine, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 20; attempt++) {
      if (linked(ticket, file)) return () => release(file, mine);
      const holder = readIfThere(file);
      if (holder === undefined) continue; // given back in between
      if (alive(holder)) throw new Locked(message(holder, directory));
      takeAway(file, holder, ticket);
    }
    throw new Locked(`cannot take the lock ${file}: other commands keep taking it; run the command again`);
  } finally {
    rmSync(ticket, { force: true });
  }
}

function linked(ticket: string, file: string): boolean {
  try {
    linkSync(ticket, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Moves a dead process's lock aside. Two may try at once: whoever finds that it moved a live one puts it back. */
function takeAway(file: string, stale: string, ticket: string): void {
  const aside = `${ticket}.stale`;
  try {
    renameSync(file, aside);
  } catch {
    return; // another was faster
  }
  if (readFileSync(aside, "utf8") !== stale) linked(aside, file);
  rmSync(aside, { force: true });
}

function release(file: string, mine: string): void {
  if (readIfThere(file) === mine) rmSync(file, { force: true });
}

function alive(holder: string): boolean {
  const [pid = "", mark] = holder.split(" ");
  return mark !== undefined && processMark(Number(pid)) === mark;
}

function message(holder: string, directory: string): string {
  const [pid, , since = "", ...command] = holder.trim().split(" ");
  const began = since.slice(11, 19);
  return `"${command.join(" ")}" is running in ${directory} since ${began} UTC (process ${pid}); wait until it ends, or stop it`;
}
