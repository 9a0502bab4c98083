/** Where the database's expectations are, in the containers of the programs that tell and compare them; a ConfigMap has them. */
export const expectationsPath = "/app/expectations";
export const expectationsFile = "expectations.json";
export const expectationsEnv = { EXPECTATIONS_FILE: `${expectationsPath}/${expectationsFile}` };
