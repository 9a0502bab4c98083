/** RDS' API over HTTP. */
import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { answer } from "./protocol";
import type { Rds } from "./call";

export const serve = (rds: Rds): Server =>
  createServer((request, response) => {
    void text(request).then((body) => {
      const { status, xml } = answer({ headers: request.headers, body }, rds);
      response.writeHead(status, { "content-type": "text/xml" }).end(xml);
    });
  });
