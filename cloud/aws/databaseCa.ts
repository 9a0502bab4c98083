/**
 * What the RDS certificate authority is in production: it signs the server certificates of the local databases, and
 * clients verify against it through the same setting that points at Amazon's bundle there.
 */
import { X509Certificate } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../host/files";
import type { ServiceUser } from "../host/user";
import { generateKey, privateKeyPem, request, selfSign, signRequest, type Issuer } from "../tls/x509";

const year = 365 * 24; // hours
const renewBefore = 30 * 24 * 60 * 60 * 1000;

const pathsIn = (directory: string) => ({
  certificate: join(directory, "rds-ca.pem"),
  key: join(directory, "rds-ca.key"),
});

/** Where the authority lies, given the directory under which the resources have theirs. */
export const databaseCaDirectory = (dataRoot: string): string => join(dataRoot, "rds-ca");

/** Makes the authority unless it is there, and returns the path of its certificate: what clients are to trust. */
export async function ensureDatabaseCa(directory: string): Promise<string> {
  const paths = pathsIn(directory);
  if (existsSync(paths.key) && existsSync(paths.certificate) && lasts(readFileSync(paths.certificate, "utf8"))) {
    return paths.certificate;
  }
  mkdirSync(directory, { recursive: true });
  const key = privateKeyPem(generateKey({ algorithm: "ECDSA", ecdsaCurve: "P256" }));
  const { pem } = await selfSign(
    { subject: { commonName: "Local RDS Root CA", organization: "Local cloud, trusted by nobody else" } },
    { hours: 10 * year, uses: ["certSigning", "crlSigning", "digitalSignature"], isCa: true },
    key,
  );
  // The certificate last: where it is, the key is its own.
  writeWhole(paths.key, key);
  writeWhole(paths.certificate, pem, { mode: 0o644 });
  return paths.certificate;
}

/** RDS' own process signs the certificates of the instances that it restores. */
export async function shareDatabaseCa(directory: string, owner: ServiceUser | undefined): Promise<void> {
  await ensureDatabaseCa(directory);
  if (owner)
    for (const path of [directory, ...Object.values(pathsIn(directory))]) chownSync(path, owner.uid, owner.gid);
}

export interface ServerCertificate {
  certificatePem: string;
  keyPem: string;
}

/** A certificate for a database server on this machine. */
export async function issueServerCertificate(caDirectory: string, commonName: string): Promise<ServerCertificate> {
  await ensureDatabaseCa(caDirectory);
  const keyPem = privateKeyPem(generateKey({ algorithm: "ECDSA", ecdsaCurve: "P256" }));
  const names = { subject: { commonName }, dnsNames: ["localhost"], ipAddresses: ["127.0.0.1", "::1"] };
  const terms = { hours: 5 * year, uses: ["digitalSignature", "serverAuth"], setSubjectKeyId: true };
  const { pem } = await signRequest(await request(names, keyPem), terms, issuerIn(caDirectory));
  return { certificatePem: pem, keyPem };
}

/** Whether clients that trust the authority as it is now would accept this certificate, for some time to come. */
export function stillGood(caDirectory: string, certificatePem: string): boolean {
  try {
    const authority = new X509Certificate(readFileSync(pathsIn(caDirectory).certificate));
    return new X509Certificate(certificatePem).verify(authority.publicKey) && lasts(certificatePem);
  } catch {
    return false;
  }
}

function issuerIn(directory: string): Issuer {
  const paths = pathsIn(directory);
  return {
    certificatePem: readFileSync(paths.certificate, "utf8"),
    privateKeyPem: readFileSync(paths.key, "utf8"),
  };
}

const lasts = (pem: string): boolean => new Date(new X509Certificate(pem).validTo).getTime() > Date.now() + renewBefore;
