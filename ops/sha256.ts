import { hash } from "node:crypto";

/**
 * Of few bytes. By way of hex: asked for bytes, Node makes an ArrayBuffer for each, which takes twice the time of the
 * hash itself.
 */
export const sha256 = (bytes: Buffer): Buffer => Buffer.from(hash("sha256", bytes), "hex");
