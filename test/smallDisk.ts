/** A file system that gets full: only where this process may mount one. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk {
  directory: string;
  /** Leaves that much room, in MiB: the file system itself gets smaller. */
  fill(left: number): void;
  /** As it was. */
  makeRoom(): void;
  release(): void;
}

const mib = 2 ** 20;

/** Undefined where it may not. @param directory where it is to be; default: a temporary one */
export function smallDisk(sizeMib: number, directory = mkdtempSync(join(tmpdir(), "small-"))): SmallDisk | undefined {
  mkdirSync(directory, { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMib}m`, "authensor-test", directory], { stdio: "ignore" });
  } catch {
    rmdirSync(directory);
    return undefined;
  }
  const resize = (mib: number) => execFileSync("mount", ["-o", `remount,size=${mib}m`, directory]);
  return {
    directory,
    fill(left) {
      const { blocks, bfree, bsize } = statfsSync(directory);
      resize(Math.ceil(((blocks - bfree) * bsize) / mib) + left);
    },
    makeRoom: () => resize(sizeMib),
    release() {
      execFileSync("umount", ["--lazy", directory]);
      rmdirSync(directory);
    },
  };
}
