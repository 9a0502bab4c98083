/** Arithmetic on IPv4 blocks in CIDR notation; inputs are taken as valid, except where the question is whether they are. */

interface Block {
  /** First address, as an unsigned number. */
  first: number;
  size: number;
  prefix: number;
}

function parse(cidr: string): Block {
  const [address = "", length = ""] = cidr.split("/");
  const prefix = Number(length);
  const size = 2 ** (32 - prefix);
  const value = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return { first: Math.floor(value / size) * size, size, prefix };
}

function format(first: number, prefix: number): string {
  const octets = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256);
  return `${octets.join(".")}/${prefix}`;
}

/** A block as part of a resource's name: 10.0.0.0/16 is 10-0-0-0-16. */
export function blockName(cidr: string): string {
  return cidr.replaceAll(/[./]/g, "-");
}

/** Whether two blocks share an address: routes to one would swallow the other. */
export function overlaps(one: string, other: string): boolean {
  const [a, b] = [parse(one), parse(other)];
  return a.first < b.first + b.size && b.first < a.first + a.size;
}

/** The first `count` of the four equal parts of a block; four whatever the count, so that adding a zone moves no subnet. */
export function quarters(cidr: string, count: number): string[] {
  const { first, size, prefix } = parse(cidr);
  return Array.from({ length: count }, (_, index) => format(first + (index * size) / 4, prefix + 2));
}

const privateBlocks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/** Whether a text is a private (RFC 1918) block within these prefix lengths, written as it is without host bits. */
export function isPrivateBlock(text: string, shortest: number, longest: number): boolean {
  if (!/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/.test(text)) return false;
  const { first, prefix } = parse(text);
  return (
    prefix >= shortest &&
    prefix <= longest &&
    format(first, prefix) === text &&
    privateBlocks.some((block) => parse(block).prefix <= prefix && overlaps(block, text))
  );
}
