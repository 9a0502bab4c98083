/** Who may ask this server: a browser on this machine, by this page's own address, that has brought the token. */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export interface Gate {
  token: string;
  port: number;
}

/** Cookies are sent to every port of a host: each deployment's has a name of its own. */
export const cookieName = ({ port }: Gate): string => `authensor-page-${port}`;

/** Not the token itself, but what only its owner could have made of it: it holds as long as the token does. */
export const sessionOf = ({ token }: Gate): string => createHmac("sha256", token).update("page session").digest("hex");

export function same(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHmac("sha256", "compared").update(text).digest());
  return timingSafeEqual(a!, b!);
}

/**
 * A name that somebody else's DNS leads to this machine is not this page's address (DNS rebinding), and another site's page has no
 * business here.
 */
export function foreign({ host, origin, "sec-fetch-site": site }: IncomingHttpHeaders, { port }: Gate): boolean {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (!hosts.includes(host ?? "")) return true;
  if (origin !== undefined && origin !== `http://${host}`) return true;
  return site !== undefined && !["same-origin", "none"].includes(String(site));
}

export function hasSession({ cookie = "" }: IncomingHttpHeaders, gate: Gate): boolean {
  const cookies = cookie.split(";").map((one) => one.trim().split("="));
  return cookies.some(([name, value]) => name === cookieName(gate) && same(value ?? "", sessionOf(gate)));
}

/** Scripts and styles of this server alone; text never becomes markup. */
export const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
} as const;
