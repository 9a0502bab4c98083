/** A file system that gets full: only where this process may mount one. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk {
  directory: string;
  /** Leaves that much room, in MiB. */
  fill(left: number): void;
  makeRoom(): void;
  release(): void;
}

const mib = 2 ** 20;

/** Undefined where it may not. */
export function smallDisk(sizeMib: number): SmallDisk | undefined {
  const directory = mkdtempSync(join(tmpdir(), "small-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMib}m`, "authensor-test", directory], { stdio: "ignore" });
  } catch {
    rmdirSync(directory);
    return undefined;
  }
  const ballast = join(directory, "ballast");
  return {
    directory,
    fill(left) {
      const { bavail, bsize } = statfsSync(directory);
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - left * mib));
    },
    makeRoom: () => rmSync(ballast),
    release() {
      execFileSync("umount", ["--lazy", directory]);
      rmdirSync(directory);
    },
  };
}
