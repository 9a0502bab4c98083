/** The token, once, for a cookie: it is in no address, no history and no log. */
import { cookieName, same, sessionOf } from "./guard";
import { type Asked, Refusal } from "./asked";

const mostBytes = 1024;

export async function openSession({ page: { gate }, request, response }: Asked): Promise<undefined> {
  let body = "";
  for await (const part of request) {
    body += String(part);
    if (body.length > mostBytes) throw new Refusal(413, "a token is shorter");
  }
  if (!same(body, gate.token)) throw new Refusal(401, "the token is wrong");
  const cookie = `${cookieName(gate)}=${sessionOf(gate)}; Path=/; HttpOnly; SameSite=Strict`;
  response.writeHead(204, { "set-cookie": cookie }).end();
}
