/** S3's XML. */
import { XMLBuilder, XMLParser, XMLValidator } from "fast-xml-parser";
import { S3Error } from "./errors";

const builder = new XMLBuilder({ ignoreAttributes: false });
const parser = new XMLParser({ parseTagValue: false, trimValues: false, htmlEntities: true });

/** Texts, lists and elements below a root element; what is undefined is left out. */
export function toXml(root: string, content: object): string {
  const plain = JSON.parse(JSON.stringify(content)) as object;
  const body = builder.build({ [root]: { "@_xmlns": "http://s3.amazonaws.com/doc/2006-03-01/", ...plain } });
  // A key may hold what XML has no character for; a bare carriage return would be read as a new line.
  // eslint-disable-next-line no-control-regex
  const safe = body.replace(/[\0-\x08\x0b-\x1f]/g, (c) => `&#x${c.charCodeAt(0).toString(16)};`);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${safe}`;
}

/** What the root element holds. */
export function fromXml(root: string, text: string): Record<string, unknown> {
  const malformed = () => new S3Error("MalformedXML", `the body must be the XML of a ${root}`);
  if (XMLValidator.validate(text) !== true) throw malformed();
  const content: unknown = (parser.parse(text) as Record<string, unknown>)[root];
  if (content === undefined) throw malformed();
  return typeof content === "object" && content !== null ? (content as Record<string, unknown>) : {};
}

/** An element that may come once, several times or not at all. */
export const listOf = (value: unknown): Record<string, unknown>[] =>
  (value === undefined ? [] : Array.isArray(value) ? value : [value]) as Record<string, unknown>[];
