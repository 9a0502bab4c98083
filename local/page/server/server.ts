/** The page's server: files that it was given when it was started, and a few questions that only a browser with the token may ask. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { Failure } from "../../../ops/program";
import { type Asked, type Page, Refusal, type Route } from "./asked";
import { foreign, hasSession, headers } from "./guard";
import { dashboard } from "./dashboard";
import { openSession } from "./session";
import { receipt } from "./receipt";
import { search } from "./search";
import { verification } from "./verification";

const routes: Readonly<Record<string, Route>> = {
  "GET /api/dashboard": dashboard,
  "GET /api/search": search,
  "GET /api/receipt": receipt,
  "GET /api/verification": verification,
};

async function answer(without: Omit<Asked, "url">): Promise<unknown> {
  const { page, request, response } = without;
  const url = urlOf(request);
  const asked = { ...without, url };
  const { method = "" } = request;
  if (foreign(request.headers, page.gate)) throw new Refusal(403, "this page answers at its own address only");
  if (method === "POST" && url.pathname === "/session") return openSession(asked);
  const file = method === "GET" ? page.files.get(url.pathname) : undefined;
  if (!file?.open && !hasSession(request.headers, page.gate)) throw new Refusal(401, "the token is missing or wrong");
  if (file) return void response.writeHead(200, { "content-type": file.type }).end(file.content());
  const route = Object.hasOwn(routes, `${method} ${url.pathname}`) ? routes[`${method} ${url.pathname}`] : undefined;
  if (route === undefined) throw new Refusal(404, "there is nothing here");
  return route(asked);
}

export function createPage(page: Page): Server {
  return createServer((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const gone = new AbortController();
    response.on("close", () => gone.abort(new Error("the client has gone")));
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    answer({ page, request, response, signal: gone.signal })
      .then((body) => (body === undefined ? undefined : json(200, body)))
      .catch((error: Error) => {
        if (response.headersSent || gone.signal.aborted) response.destroy();
        else if (isForPeople(error)) json(statusOf(error), { error: error.message });
        else {
          console.error(error);
          json(500, { error: "the page's server failed; its log says why" });
        }
      });
  });
}

/** Not every path that is sent is a URL: "//" is none. */
function urlOf({ url = "/" }: IncomingMessage): URL {
  if (!URL.canParse(url, "http://page")) throw new Refusal(400, "that is no address");
  return new URL(url, "http://page");
}

const isForPeople = (error: Error): error is Refusal | Failure => error instanceof Refusal || error instanceof Failure;

const statusOf = (error: Refusal | Failure): number =>
  error instanceof Refusal ? error.status : error.exitCode === 2 ? 400 : 503;
