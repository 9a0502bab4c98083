/** Where node starts: an entry of plain JavaScript is read the same way by every version of it. */
"use strict";
const process = require("node:process");

require("./packages.cjs");
// bundles/kept.ts
process.env.AUTHENSOR_BUNDLES ??= "kept";
require("./register.cjs");
require("./cli.ts");
