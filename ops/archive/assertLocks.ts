/** Asks the bucket, before anything is written to it, whether it locks as the settings say. */
import { GetObjectLockConfigurationCommand, type DefaultRetention } from "@aws-sdk/client-s3";
import { Failure } from "../program";
import type { Bucket } from "./bucket";
import { howToLock, isWeaker, sayDemanded } from "./lock";

/** @throws where it locks less: what is locked too weakly counts for nothing, and stays until its lock ends. */
export async function assertLocks({ client, name: Bucket, signal, lock }: Bucket): Promise<void> {
  if (!lock) return;
  const command = new GetObjectLockConfigurationCommand({ Bucket });
  const retention = await client.send(command, { abortSignal: signal }).then(
    ({ ObjectLockConfiguration }) => ObjectLockConfiguration?.Rule?.DefaultRetention,
    (error: Error) => {
      if (error.name === "ObjectLockConfigurationNotFoundError") return undefined;
      throw error;
    },
  );
  if (!isWeaker(lock, retention && { mode: retention.Mode ?? "", days: daysOf(retention) })) return;
  const locks = retention
    ? `locks for ${daysOf(retention)} days in ${retention.Mode} mode`
    : "locks nothing by default";
  throw new Failure(`the bucket ${Bucket} ${locks}; ${sayDemanded(lock)}: nothing is written to it`, [howToLock]);
}

const daysOf = ({ Days, Years = 0 }: DefaultRetention): number => Days ?? 365 * Years;
