/** Minutes that tests would wait for pass several times as fast, for programs that measure, publish and evaluate by the clock. */
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeWhole } from "../../cloud/host/files";
import { running } from "../../cloud/host/pidFile";
import { start, stop } from "../../cloud/host/process";

const preloaded = readFileSync(join(__dirname, "hurriedClock.cjs"), "utf8");

/** One clock for everyone who is hurried: it shows the machine's time now, and runs away from it. */
export class HurriedClock {
  private readonly start = Date.now();

  constructor(readonly speed: number) {}

  now(): number {
    return this.start + (Date.now() - this.start) * this.speed;
  }

  /** How long the machine waits until so much time has passed. */
  wait(milliseconds: number): number {
    return milliseconds / this.speed;
  }

  /** Starts a program of the local cloud anew, as it runs, by this clock. */
  async hurry(pidFile: string): Promise<void> {
    const pid = running(pidFile);
    if (pid === undefined) throw new Error(`${pidFile}: no process runs`);
    const words = (file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0").slice(0, -1);
    const [command = "", ...args] = words("cmdline");
    const env = Object.fromEntries(
      words("environ").map((word) => word.split(/=(.*)/s).slice(0, 2) as [string, string]),
    );
    const cwd = readlinkSync(`/proc/${pid}/cwd`);
    const { uid, gid } = statSync(`/proc/${pid}`);
    const user = uid === process.getuid?.() ? undefined : { uid, gid, name: "service" };
    const clock = join(dirname(pidFile), "hurriedClock.cjs");
    writeWhole(clock, preloaded, { owner: user });
    await stop(pidFile);
    await start({
      name: `${command} by a hurried clock`,
      command,
      args: ["--require", clock, ...args],
      env: { ...env, HURRIED_CLOCK: `${this.start} ${this.speed}` },
      cwd,
      pidFile,
      logFile: pidFile.replace(/\.pid$/, ".log"),
      ...(user && { user }),
    });
  }
}
