/** Certificates of the local cloud: genuine X.509, as OpenSSL, libpq and Node verify it. */
import type * as X509 from "@peculiar/x509";
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, webcrypto } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** Loaded where a certificate is made, which few commands do: it and its packages are an eighth of all that a command loads. */
function library(): typeof X509 {
  /* eslint-disable @typescript-eslint/no-require-imports -- in the middle of a function, and in CommonJS */
  require("reflect-metadata"); // it does not load without it
  const x509 = require("@peculiar/x509") as typeof X509;
  /* eslint-enable @typescript-eslint/no-require-imports */
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

const hour = 60 * 60 * 1000;

/** Names in the order and spelling of the `tls` provider's `subject`, with their attribute types. */
const attributes = {
  country: "C",
  organization: "O",
  organizationalUnit: "OU",
  locality: "L",
  province: "ST",
  streetAddresses: "2.5.4.9",
  postalCode: "2.5.4.17",
  commonName: "CN",
  serialNumber: "2.5.4.5",
  emailAddress: "E",
} as const;

const keyUsages: Record<string, keyof typeof X509.KeyUsageFlags> = {
  digitalSignature: "digitalSignature",
  contentCommitment: "nonRepudiation",
  keyEncipherment: "keyEncipherment",
  dataEncipherment: "dataEncipherment",
  keyAgreement: "keyAgreement",
  certSigning: "keyCertSign",
  crlSigning: "cRLSign",
  encipherOnly: "encipherOnly",
  decipherOnly: "decipherOnly",
};

const extendedKeyUsages: Record<string, string> = {
  anyExtended: "2.5.29.37.0",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  codeSigning: "1.3.6.1.5.5.7.3.3",
  emailProtection: "1.3.6.1.5.5.7.3.4",
  timestamping: "1.3.6.1.5.5.7.3.8",
  ocspSigning: "1.3.6.1.5.5.7.3.9",
};

// The provider writes these two with underscores on the Terraform side; programs have both spellings.
const canonical = (use: string) => use.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

export type Subject = { [K in keyof typeof attributes]?: string | string[] };

/** Whom a certificate is for. */
export interface Names {
  subject?: Subject;
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
  uris?: readonly string[];
}

/** What a certificate is good for, and for how long. */
export interface Terms {
  hours: number;
  /** As the `tls` provider names them: "serverAuth", "certSigning", … */
  uses: readonly string[];
  isCa?: boolean;
  maxPathLength?: number;
  setSubjectKeyId?: boolean;
  setAuthorityKeyId?: boolean;
}

export interface Issued {
  pem: string;
  notBefore: Date;
  notAfter: Date;
}

export interface Issuer {
  certificatePem: string;
  privateKeyPem: string;
}

/** A certificate whose issuer is itself: the root of an authority, or one that is trusted by name. */
export async function selfSign(names: Names, terms: Terms, privateKeyPem: string): Promise<Issued> {
  const key = createPrivateKey(privateKeyPem);
  return issue(nameOf(names), extensionsOf(names), terms, createPublicKey(key), key, undefined);
}

/** A request for a certificate, signed with the key it is about (PKCS #10). */
export async function request(names: Names, privateKeyPem: string): Promise<string> {
  const x509 = library();
  const key = createPrivateKey(privateKeyPem);
  const created = await x509.Pkcs10CertificateRequestGenerator.create({
    name: nameOf(names),
    extensions: extensionsOf(names),
    keys: { privateKey: await imported(key), publicKey: await imported(createPublicKey(key)) },
    signingAlgorithm: signingAlgorithm(key),
  });
  return `${created.toString("pem")}\n`;
}

/** The certificate an authority issues on a request; the names are the request's own. */
export async function signRequest(requestPem: string, terms: Terms, issuer: Issuer): Promise<Issued> {
  const x509 = library();
  const asked = new x509.Pkcs10CertificateRequest(requestPem);
  if (!(await asked.verify())) throw new Error("the certificate request is not signed with the key it names");
  const names = asked.extensions.filter((e) => e instanceof x509.SubjectAlternativeNameExtension);
  const publicKey = createPublicKey({ key: Buffer.from(asked.publicKey.rawData), format: "der", type: "spki" });
  const parent = new x509.X509Certificate(issuer.certificatePem);
  const key = createPrivateKey(issuer.privateKeyPem);
  const parentKey = createPublicKey({ key: Buffer.from(parent.publicKey.rawData), format: "der", type: "spki" });
  if (!parentKey.equals(createPublicKey(key)))
    throw new Error("the authority's certificate and its private key do not belong together");
  return issue(asked.subjectName, names, terms, publicKey, key, parent);
}

async function issue(
  subject: X509.Name | X509.JsonName,
  names: X509.Extension[],
  terms: Terms,
  publicKey: KeyObject,
  signer: KeyObject,
  parent: X509.X509Certificate | undefined,
): Promise<Issued> {
  const x509 = library();
  const exported = await imported(publicKey);
  const notBefore = new Date(Math.floor(Date.now() / 1000) * 1000);
  const notAfter = new Date(notBefore.getTime() + terms.hours * hour);
  // As Go's crypto/x509 does: an authority always has a key id, and what it signs refers to it.
  const parentKeyId = parent?.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: parent?.subjectName ?? subject,
    notBefore,
    notAfter,
    publicKey: exported,
    signingKey: await imported(signer),
    signingAlgorithm: signingAlgorithm(signer),
    extensions: [
      new x509.BasicConstraintsExtension(terms.isCa === true, terms.isCa ? terms.maxPathLength : undefined, true),
      ...usesOf(terms.uses),
      ...(terms.isCa || terms.setSubjectKeyId ? [await x509.SubjectKeyIdentifierExtension.create(exported)] : []),
      ...(parentKeyId === undefined ? [] : [new x509.AuthorityKeyIdentifierExtension(parentKeyId)]),
      ...(parent === undefined && terms.setAuthorityKeyId
        ? [await x509.AuthorityKeyIdentifierExtension.create(exported)]
        : []),
      ...names,
    ],
  });
  return { pem: `${certificate.toString("pem")}\n`, notBefore, notAfter };
}

/** 126 random bits: positive and never short, whatever reads it. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

function nameOf({ subject = {} }: Names): X509.JsonName {
  return Object.entries(attributes).flatMap(([field, type]) => {
    const given = subject[field as keyof Subject];
    const values = [given ?? []].flat().filter((value) => value !== "");
    return values.map((value) => ({ [type]: [value] }));
  });
}

function extensionsOf({ dnsNames = [], ipAddresses = [], uris = [] }: Names): X509.Extension[] {
  const names: X509.JsonGeneralNames = [
    ...dnsNames.map((value) => ({ type: "dns" as const, value })),
    ...ipAddresses.map((value) => ({ type: "ip" as const, value })),
    ...uris.map((value) => ({ type: "url" as const, value })),
  ];
  return names.length > 0 ? [new (library().SubjectAlternativeNameExtension)(names)] : [];
}

function usesOf(uses: readonly string[]): X509.Extension[] {
  const x509 = library();
  const known = uses.map(canonical);
  const unknown = known.filter((use) => !(use in keyUsages) && !(use in extendedKeyUsages));
  if (unknown.length > 0) throw new Error(`unknown allowed use of a certificate: ${unknown.join(", ")}`);
  const flagOf = (usage: keyof typeof X509.KeyUsageFlags | undefined) => (usage ? x509.KeyUsageFlags[usage] : 0);
  const flags = known.reduce((sum, use) => sum | flagOf(keyUsages[use]), 0);
  const extended = known.flatMap((use) => extendedKeyUsages[use] ?? []);
  return [
    ...(flags > 0 ? [new x509.KeyUsagesExtension(flags, true)] : []),
    ...(extended.length > 0 ? [new x509.ExtendedKeyUsageExtension(extended)] : []),
  ];
}

function signingAlgorithm(key: KeyObject): { name: string; hash: string } {
  const algorithms: Record<string, { name: string; hash: string }> = {
    rsa: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    ec: { name: "ECDSA", hash: "SHA-256" },
    ed25519: { name: "Ed25519", hash: "" },
  };
  const algorithm = algorithms[key.asymmetricKeyType ?? ""];
  if (algorithm === undefined) throw new Error(`cannot sign with a key of type ${String(key.asymmetricKeyType)}`);
  return algorithm;
}

async function imported(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const curves: Record<string, string> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };
  const namedCurve = curves[key.asymmetricKeyDetails?.namedCurve ?? ""];
  const algorithm = { ...signingAlgorithm(key), ...(namedCurve && { namedCurve }) };
  return key.type === "private"
    ? webcrypto.subtle.importKey("pkcs8", key.export({ format: "der", type: "pkcs8" }), algorithm, true, ["sign"])
    : webcrypto.subtle.importKey("spki", key.export({ format: "der", type: "spki" }), algorithm, true, ["verify"]);
}

export interface KeySpec {
  algorithm: string;
  rsaBits?: number;
  ecdsaCurve?: string;
}

/** A new private key, in the formats the `tls` provider writes. */
export function generateKey({ algorithm, rsaBits = 2048, ecdsaCurve = "P224" }: KeySpec): KeyObject {
  switch (algorithm) {
    case "RSA":
      return generateKeyPairSync("rsa", { modulusLength: rsaBits }).privateKey;
    case "ECDSA": {
      const curves: Record<string, string> = { P256: "prime256v1", P384: "secp384r1", P521: "secp521r1" };
      const namedCurve = curves[ecdsaCurve];
      // The provider's default, P224, is one that neither Node nor most TLS clients take for certificates.
      if (namedCurve === undefined) throw new Error(`ecdsaCurve ${ecdsaCurve}: give one of P256, P384, P521`);
      return generateKeyPairSync("ec", { namedCurve }).privateKey;
    }
    case "ED25519":
      return generateKeyPairSync("ed25519").privateKey;
    default:
      throw new Error(`algorithm ${algorithm}: give one of RSA, ECDSA, ED25519`);
  }
}

/** The traditional PEM of a private key: PKCS #1 for RSA, SEC 1 for ECDSA. */
export function privateKeyPem(key: KeyObject): string {
  const type = ({ rsa: "pkcs1", ec: "sec1" } as const)[key.asymmetricKeyType as "rsa" | "ec"] ?? "pkcs8";
  return key.export({ format: "pem", type }).toString();
}
