/** A way in for agents outside the cluster: TLS always, and private unless it is asked to be public. */
import { z } from "zod";
import { ingressAnnotations } from "../components/controlPlane/ingressRules";
import { optionalObject, scalar } from "./kinds";

const objectName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, "must be the name of a Kubernetes object");
const isBlock = (text: string) => z.cidrv4().safeParse(text).success || z.cidrv6().safeParse(text).success;
const hostPattern = /^(?=.{1,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

const shape = z
  .strictObject({
    host: z.string().regex(hostPattern, "must be a name in DNS, such as decisions.example.com"),
    class: objectName,
    certificateArn: z
      .string()
      .regex(
        /^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate\/[0-9a-f-]+$/,
        "must be the ARN of a certificate in ACM",
      )
      .optional(),
    issuer: objectName.optional(),
    tlsSecret: objectName.optional(),
    public: z
      .union([z.boolean(), z.enum(["true", "false"])])
      .transform((value) => String(value) === "true")
      .default(false),
    annotations: z.record(z.string().min(1), scalar).default({}),
    from: z
      .array(
        z
          .string()
          .refine(
            (value) => (value.includes("/") ? isBlock(value) : /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(value)),
            "must be a namespace, or a block of addresses such as 10.0.0.0/16",
          ),
      )
      .default([]),
  })
  .superRefine(({ certificateArn, issuer, tlsSecret, from, annotations, ...rest }, context) => {
    const refuse = (property: string, message: string) =>
      context.addIssue({ code: "custom", path: [property], message });
    const certificates = [certificateArn, issuer, tlsSecret].filter((given) => given !== undefined);
    if (certificates.length !== 1)
      refuse(
        "certificateArn",
        `exactly one of certificateArn (ACM), issuer (cert-manager) and tlsSecret must be given, not ${certificates.length}: ` +
          "there is no way in without TLS",
      );
    if (rest.public && certificateArn === undefined)
      refuse("public", "needs certificateArn: with other controllers it is the class that is public or not");
    if (certificateArn === undefined && from.length === 0)
      refuse("from", "must name the controller's namespace, or the blocks that its requests come from");
    const own = ingressAnnotations({ certificateArn, issuer, tlsSecret }, rest.public);
    for (const name of Object.keys(annotations).filter((key) => Object.hasOwn(own, key)))
      context.addIssue({
        code: "custom",
        path: ["annotations", name],
        message: "must not be set: the program sets it",
      });
  });

export const ingress = optionalObject("ingress", shape, {
  description:
    "Ingress of the control plane for agents outside the cluster: host, class, one of certificateArn, issuer, tlsSecret; public, from, annotations",
  rule:
    "an object: host, class, one of certificateArn (ACM), issuer (cert-manager), tlsSecret (an existing Secret); optionally from (the " +
    "controller's namespace or address blocks), annotations, public (true: internet-facing)",
  example:
    '{"host":"decisions.example.com","class":"alb","certificateArn":"arn:aws:acm:eu-central-1:123456789012:certificate/0f1e2d3c-1111-2222-3333-444455556666"}',
});
