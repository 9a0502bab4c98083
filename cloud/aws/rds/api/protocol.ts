/** RDS' API as AWS' SDKs speak it: a form is sent, XML comes back. https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/ */
import type { IncomingHttpHeaders } from "node:http";
import { XMLBuilder } from "fast-xml-parser";
import { AwsError } from "../../account";
import { demand } from "./access";
import type { Rds } from "./call";
import { operations } from "./operations";

const builder = new XMLBuilder({ ignoreAttributes: false });
const xmlns = "http://rds.amazonaws.com/doc/2014-10-31/";

export interface Answer {
  status: number;
  xml: string;
}

export function answer({ headers, body }: { headers: IncomingHttpHeaders; body: string }, rds: Rds): Answer {
  try {
    const signed = /Credential=([^/]+)\/\d{8}\/([a-z0-9-]+)\/rds\/aws4_request/.exec(headers.authorization ?? "");
    const [, accessKeyId, region] = signed ?? [];
    if (accessKeyId === undefined || region === undefined)
      throw new AwsError("MissingAuthenticationToken", "the request is not signed");
    const parameters = new Map(new URLSearchParams(body));
    const action = parameters.get("Action") ?? "";
    const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
    if (operation === undefined) throw new AwsError("InvalidAction", `the local cloud does not know ${action} of RDS`);
    const call = { region, accessKeyId, parameters };
    demand(action, call, rds);
    const result = { [`${action}Result`]: operation(call, rds) };
    return { status: 200, xml: builder.build({ [`${action}Response`]: { "@_xmlns": xmlns, ...result } }) };
  } catch (error) {
    const known = error instanceof AwsError;
    const code = known ? error.code : "InternalFailure";
    const message = (error as Error).message.replace(`${code}: `, "");
    const told = { Type: known ? "Sender" : "Receiver", Code: code, Message: message };
    return {
      status: code.endsWith("NotFound") ? 404 : known ? 400 : 500,
      xml: builder.build({ ErrorResponse: { "@_xmlns": xmlns, Error: told } }),
    };
  }
}
