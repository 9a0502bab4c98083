import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { stopAll } from "../../cloud/host/process";
import { waitUntil } from "../../cloud/host/wait";
import { makePair } from "./makePair";

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "killed-"));
});

afterEach(async () => {
  await stopAll(root, { signal: "SIGQUIT", graceMs: 3000 });
  rmSync(root, { recursive: true, force: true });
});

// Each names the file whose appearance is the moment: while initdb writes, and while the base backup does.
test.each(["primary/initdb.pid", "replica/pg_basebackup.pid"])(
  "a run killed when %s appears leaves what the next run makes whole",
  async (moment) => {
    const command = spawn(process.execPath, ["--require", "tsx/cjs", join(__dirname, "makePair.ts"), root], {
      stdio: "ignore",
    });
    await waitUntil(moment, () => existsSync(join(root, moment)), { timeoutMs: 60_000, everyMs: 2 });
    expect(command.kill("SIGKILL")).toBe(true);

    const cloud = await makePair(root);
    expect(await cloud.status("primary")).toMatchObject({ healthy: true });
    expect(await cloud.status("replica")).toMatchObject({
      healthy: true,
      text: expect.stringMatching(/streaming/) as string,
    });
  },
);
