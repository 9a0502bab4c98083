/** Every source. A new one is a file of its own in sources/ and an entry here. */
import type { Source } from "./source";
import { archive } from "./sources/archive";
import { certificates } from "./sources/certificates";
import { checkpoints } from "./sources/checkpoints";
import { connections } from "./sources/connections";
import { controlPlane } from "./sources/controlPlane";
import { copies } from "./sources/copies";
import { drill } from "./sources/drill";
import { partitions } from "./sources/partitions";
import { pools } from "./sources/pools";
import { programs } from "./sources/programs";
import { receipts } from "./sources/receipts";
import { replication } from "./sources/replication";
import { replicationLag } from "./sources/replicationLag";
import { searchIndex } from "./sources/searchIndex";
import { slowStatements } from "./sources/slowStatements";
import { statements } from "./sources/statements";
import { tables } from "./sources/tables";
import { transactions } from "./sources/transactions";
import { verificationProgress } from "./sources/verificationProgress";
import { verifications } from "./sources/verifications";

export interface Watched {
  /** Of everything whose certificate clients verify. */
  urls: readonly string[];
  /** Minutes by which the locked bucket may be behind. */
  archiveMinutes: number;
  /** ARN of the copies of RDS' backups. Default: there are none. */
  copiesArn?: string | undefined;
}

export const sourcesFor = ({ urls, archiveMinutes, copiesArn }: Watched): Source[] => [
  replication,
  replicationLag(),
  connections,
  transactions(),
  checkpoints(),
  statements(),
  slowStatements(),
  tables,
  partitions,
  receipts,
  searchIndex,
  programs,
  verifications,
  verificationProgress,
  archive(archiveMinutes),
  ...(copiesArn === undefined ? [] : [copies(copiesArn)]),
  drill,
  pools,
  controlPlane,
  certificates(urls),
];
