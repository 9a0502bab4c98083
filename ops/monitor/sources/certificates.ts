/** How long the certificates are good for that clients verify: the servers' and PgBouncer's, and who signed them. */
import { readFileSync } from "node:fs";
import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import pg from "pg";
import { parseIntoClientConfig } from "pg-connection-string";
import type { Source } from "../source";

const dayMs = 86_400_000;

/** Of what the server shows, or of the authority that vouches for it, whichever ends first. */
export function daysLeft(certificates: readonly { validTo: string }[], now: number): number {
  return Math.min(...certificates.map(({ validTo }) => (Date.parse(validTo) - now) / dayMs));
}

export const certificates = (urls: readonly string[]): Source => ({
  name: "certificates",
  everySeconds: 600,
  timeoutSeconds: 20,
  async collect(_access, signal) {
    const shown = await Promise.all(urls.map((url) => shownBy(url, signal)));
    return { samples: { CertificateDaysLeft: daysLeft(shown.flat(), Date.now()) } };
  },
});

async function shownBy(url: string, signal: AbortSignal): Promise<{ validTo: string }[]> {
  const client = new pg.Client({ ...parseIntoClientConfig(url), connectionTimeoutMillis: 5000 });
  client.on("error", () => undefined);
  const onAbort = () => void client.end().catch(() => undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await client.connect();
    const { stream } = (client as pg.Client & { connection: { stream: TLSSocket } }).connection;
    return [{ validTo: stream.getPeerCertificate().valid_to }, ...authorities(url)];
  } finally {
    signal.removeEventListener("abort", onAbort);
    await client.end().catch(() => undefined);
  }
}

/** RDS' bundle holds an authority of each kind, of which one signs: only a lone authority is the one that counts. */
function authorities(url: string): { validTo: string }[] {
  const file = new URL(url).searchParams.get("sslrootcert");
  if (file === null) return [];
  const found = readFileSync(file, "utf8").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found.length === 1 ? found.map((pem) => new X509Certificate(pem)) : [];
}
