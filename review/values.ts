/** How a value of a preview is told: never a secret, never what a terminal or Markdown would obey, and never at length. */
import { hidden } from "../settings/shown";
import type { Properties } from "./preview";

/** In the place of what only the deployment will know: Pulumi has one such mark for each kind of value. */
const unknowns = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b3ff",
]);

/** Properties that hold secrets whatever their marks say. */
const confidential: Readonly<Record<string, readonly string[]>> = {
  "kubernetes:core/v1:Secret": ["data", "stringData"],
  "aws:rds/instance:Instance": ["password", "passwordWo"],
  "aws:secretsmanager/secretVersion:SecretVersion": ["secretString", "secretStringWo", "secretBinary"],
  "random:index/randomPassword:RandomPassword": ["result", "bcryptHash"],
  "tls:index/privateKey:PrivateKey": ["privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"],
  "tls:index/certRequest:CertRequest": ["privateKeyPem"],
  "tls:index/selfSignedCert:SelfSignedCert": ["privateKeyPem"],
  "tls:index/locallySignedCert:LocallySignedCert": ["caPrivateKeyPem"],
};

export const isConfidential = (type: string, property: string) => confidential[type]?.includes(property) ?? false;

const longest = 80;

export function shown(value: unknown): string {
  if (value === undefined) return "(not set)";
  if (containsSecret(value)) return hidden;
  const text = typeof value === "string" ? value : JSON.stringify(value, (_, inner: unknown) => told(inner));
  return shortened(plain(String(told(text))));
}

/** Two values side by side; of two long texts, from where they differ. */
export function shownPair(before: unknown, after: unknown): { before: string; after: string } {
  if (typeof before !== "string" || typeof after !== "string" || Math.min(before.length, after.length) <= longest)
    return { before: shown(before), after: shown(after) };
  let same = 0;
  while (same < before.length && before[same] === after[same]) same++;
  const from = Math.max(0, same - 20);
  const rest = (text: string) => shown(from === 0 ? text : `…${text.slice(from)}`);
  return { before: rest(before), after: rest(after) };
}

const told = (value: unknown) =>
  typeof value === "string" && unknowns.has(value) ? "(known after the deployment)" : value;

/** As the engine hides it, or as a state has it encrypted. */
function containsSecret(value: unknown): boolean {
  if (value === hidden) return true;
  if (typeof value !== "object" || value === null) return false;
  const signature = "4dabf18193072939515e22adb298388d";
  return signature in value || Object.values(value as Properties).some(containsSecret);
}

const shortened = (text: string) =>
  text.length > longest ? `${text.slice(0, longest)}… (${text.length} characters)` : text;

/** One line, without what a terminal obeys or what makes text read otherwise than it is written. */
export const plain = (text: string) => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, " ").trim();
