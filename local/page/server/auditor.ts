/** The auditor's connection, to the replica where there is one and it answers. */
import type pg from "pg";
import { readableUrl, withConnection } from "../../../ops/database";

const applicationName = "authensor-page";

export const auditorUrl = (signal: AbortSignal): Promise<string> => readableUrl(applicationName, signal);

export async function asAuditor<T>(signal: AbortSignal, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withConnection({ url: await auditorUrl(signal), applicationName, signal, timeoutSeconds: 5 }, work);
}
