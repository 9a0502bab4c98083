/** One receipt with its history and its proof, checked as it is asked for. */
import { uuid } from "../../../ops/search/find";
import { readReceipt } from "../../../ops/verify/oneReceipt";
import type { ReceiptNow } from "../answers";
import { asAuditor } from "./auditor";
import { type Asked, Refusal } from "./asked";

export async function receipt({ url, signal }: Asked): Promise<ReceiptNow> {
  const id = url.searchParams.get("id") ?? "";
  if (!uuid.test(id)) throw new Refusal(400, "a receipt's id is a UUID");
  const found = await asAuditor(signal, (client) => readReceipt(client, id));
  if (!found)
    throw new Refusal(404, `no receipt here has the id ${id}; one whose month was archived is in the archive`);
  return { at: new Date().toISOString(), ...found };
}
