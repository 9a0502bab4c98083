/** Where node starts: an entry of plain JavaScript is read the same way by every version of it. */
"use strict";
const { join } = require("node:path");
const process = require("node:process");

// bundles/kept.ts
process.env.AUTHENSOR_BUNDLES ??= join(module.path, "../node_modules/.cache/bundles");
require("./register.cjs");
require("./cli.ts");
