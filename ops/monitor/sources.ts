/** Every source. A new one is a file of its own in sources/ and an entry here. */
import type { Source } from "./source";
import { archive } from "./sources/archive";
import { certificates } from "./sources/certificates";
import { checkpoints } from "./sources/checkpoints";
import { connections } from "./sources/connections";
import { controlPlane } from "./sources/controlPlane";
import { drill } from "./sources/drill";
import { partitions } from "./sources/partitions";
import { pools } from "./sources/pools";
import { programs } from "./sources/programs";
import { receipts } from "./sources/receipts";
import { replication } from "./sources/replication";
import { replicationLag } from "./sources/replicationLag";
import { slowStatements } from "./sources/slowStatements";
import { statements } from "./sources/statements";
import { tables } from "./sources/tables";
import { transactions } from "./sources/transactions";
import { verificationProgress } from "./sources/verificationProgress";
import { verifications } from "./sources/verifications";

/** @param urls of everything whose certificate clients verify */
export const sourcesFor = (urls: readonly string[]): Source[] => [
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
  programs,
  verifications,
  verificationProgress,
  archive,
  drill,
  pools,
  controlPlane,
  certificates(urls),
];
