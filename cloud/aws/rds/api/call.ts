import type { Identity } from "../../iam/roles";

/** What an operation is asked. */
export interface Call {
  region: string;
  /** Who asks. */
  accessKeyId: string;
  /** "DBInstanceIdentifier", "Filters.Filter.1.Name", … */
  parameters: ReadonlyMap<string, string>;
}

/** What operations work on. */
export interface Rds {
  /** Its own directory. */
  directory: string;
  /** Instances that are being rebooted, by ARN. */
  reboots: Set<string>;
  /** How long a Multi-AZ instance is away when its zone fails. */
  failoverMs: number;
  /** Restores that are under way, by ARN. */
  restores: Map<string, { ending: AbortController; done: Promise<void> }>;
  /** Whose key it is; nobody is denied anything where nobody is known. */
  identityOf?: (accessKeyId: string) => Identity | undefined;
  /** Ends what is under way. */
  signal: AbortSignal;
}
