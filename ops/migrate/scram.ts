/** The verifier PostgreSQL stores for a SCRAM-SHA-256 password, computed here so that the password itself never leaves. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

/** `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (RFC 5802; PostgreSQL's scram-common.c). */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16), iterations = 4096): string {
  // SASLprep ends in NFKC; for the letters and digits passwords here consist of, that is all of it.
  const salted = pbkdf2Sync(password.normalize("NFKC"), salt, iterations, 32, "sha256");
  const hmac = (text: string) => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(hmac("Client Key")).digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${hmac("Server Key").toString("base64")}`;
}
