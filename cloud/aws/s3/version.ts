/** One version of an object, as it is kept beside its bytes. */
import type { Checksum } from "./checksums";
import type { Lock } from "./locks";

export interface Version extends Lock {
  key: string;
  /** "null" for what was stored while versioning was not on. */
  versionId: string;
  /** Newer versions of a bucket have higher ones, whatever the clock says. */
  order: number;
  /** ISO time. */
  lastModified: string;
  deleteMarker?: true;
  size: number;
  /** Without quotation marks. */
  etag: string;
  checksum?: Checksum;
  storageClass: string;
  /** What a reader is given back: Content-Type and its kin, x-amz-meta-…, the encryption. */
  headers: Record<string, string>;
}

/** What the store decides itself. */
export type NewVersion = Omit<Version, "versionId" | "order">;

/** What an upload asks for beside its bytes. */
export type Wanted = Lock & Pick<Version, "headers" | "storageClass">;
