/** What a verification is asked for. */
import type { Anchor } from "../anchorFormat";
import type { Expectations } from "../expectations";
import type { Manifest } from "../manifest";
import type { Acknowledgement } from "./acknowledgements";
import type { Archived } from "./archived";

export interface Request {
  url: string;
  signal: AbortSignal;
  /** ISO times; receipts made in [since, until). */
  since?: string | undefined;
  until?: string | undefined;
  agent?: string | undefined;
  anchors: readonly Anchor[];
  /** Anchors of other deployments, which have no agent of this one. */
  apartFrom?: readonly Anchor[];
  /** Only what came after this anchor. */
  from?: Anchor | undefined;
  /** Of archived months. */
  manifests?: readonly Manifest[];
  /** What the archive in the bucket has shown; its newest manifest is among the anchors. */
  archived?: Archived | undefined;
  /** What the deployment has told the database, where that is known. */
  expectations?: Expectations | undefined;
  /** Findings that somebody has looked into. */
  acknowledgements?: readonly Acknowledgement[];
  resumeFile?: string | undefined;
  connections: number;
  /** Receipts per chunk. */
  chunk: number;
  /** Nothing to verify is an answer too. */
  allowEmpty: boolean;
  onProgress?: (counts: Counts) => void;
}

/** How far it got. */
export interface Counts {
  receipts: number;
  changes: number;
  /** Of all receipts in the database, a guess. */
  estimate: number;
}

/** Whether receipts of a time range are asked for, and not whole chains. */
export const isRanged = ({ since, until }: Request): boolean => since !== undefined || until !== undefined;
