/** make bench: every figure of docs/performance.md, on a server of its own. `--quick` is a rough look; or name parts: inserts reads … */
import { cpus } from "node:os";
import { archive } from "./archive";
import { decisions } from "./decisions";
import { inserts } from "./inserts";
import { openLab } from "./lab";
import { reads } from "./reads";
import { restore } from "./restore";
import { maintenance, search, telemetry, verification } from "./trail";
import { watching } from "./watching";

const parts = { decisions, inserts, reads, search, verification, archive, restore, telemetry, maintenance, watching };

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const chosen = words.filter((word) => word !== "--quick");
  const unknown = chosen.find((word) => !(word in parts));
  if (unknown !== undefined) {
    process.stderr.write(`bench: no part "${unknown}"; there are ${Object.keys(parts).join(", ")}, and --quick\n`);
    process.exitCode = 2;
    return;
  }
  const lab = await openLab(words.includes("--quick"));
  try {
    const { rows } = await lab.owner.bare.query<{ version: string }>(
      "select split_part(version(), ' on ', 1) as version",
    );
    process.stdout.write(`${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${rows[0]?.version ?? "?"}, fsync on\n`);
    for (const [name, measure] of Object.entries(parts))
      if (chosen.length === 0 || chosen.includes(name)) await measure(lab);
  } finally {
    await lab.close();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
