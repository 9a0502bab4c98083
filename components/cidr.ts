const privateBlocks = [
  [10 << 24, 8],
  [(172 << 24) | (16 << 16), 12],
  [(192 << 24) | (168 << 16), 16],
] as const;

/** Whether this is a private (RFC 1918) IPv4 block within these prefix lengths, written without host bits. */
export function isCanonicalCidr(value: string, shortest: number, longest: number): boolean {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(value);
  if (match === null) return false;
  const numbers = match.slice(1).map(Number);
  const [a = 0, b = 0, c = 0, d = 0, prefix = 0] = numbers;
  if ([a, b, c, d].some((octet) => octet > 255) || prefix < shortest || prefix > longest) return false;
  const address = (a << 24) | (b << 16) | (c << 8) | d;
  const isCanonical = address === (address & mask(prefix));
  return isCanonical && privateBlocks.some(([block, length]) => prefix >= length && (address & mask(length)) === block);
}

function mask(prefix: number): number {
  return prefix === 0 ? 0 : -1 << (32 - prefix);
}
