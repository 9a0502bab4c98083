/** Where the migrations are, in the containers of the programs that apply them. */
export const sqlPath = "/app/sql";
