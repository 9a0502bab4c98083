/** Tells the monitor how a run ended, by a row on the primary: what the run read may have been a replica. */
import type { ClientBase } from "pg";
import { sqlState } from "./database";
import { Failure } from "./program";
import { roles } from "./roles";

/** Which role may tell of what. */
const reporters = {
  report_verification: roles.verifier,
  report_run: [roles.verifier, roles.archiver].join(" or "),
  report_archive: roles.archiver,
  begin_drill: roles.verifier,
  drill_goes_on: roles.verifier,
  report_drill: roles.verifier,
  report_dump: roles.archiver,
  report_months: roles.archiver,
} as const;

/** @returns what the function answers */
export async function reportRun(
  client: ClientBase,
  report: keyof typeof reporters,
  values: readonly unknown[],
): Promise<unknown> {
  const parameters = values.map((_, i) => `$${i + 1}`).join(", ");
  // The role's sessions are read-only unless one says otherwise; its rights end at this function.
  await client.query("begin read write");
  try {
    const { rows } = await client.query<{ answer: unknown }>(`select audit.${report}(${parameters}) as answer`, [
      ...values,
    ]);
    await client.query("commit");
    return rows[0]?.answer;
  } catch (error) {
    await client.query("rollback");
    // No right to it; or no such function, or schema, where somebody has moved it.
    if (!["42501", "42883", "3F000"].includes(sqlState(error) ?? "")) throw error;
    throw new Failure(`the monitor cannot be told how the run ended: ${(error as Error).message}`, [
      `Alarms believe what is told here, so only ${reporters[report]} may tell it: connect as that role.`,
    ]);
  }
}
