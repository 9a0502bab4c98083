import { Pool } from "pg";

export const pool = new Pool({ connectionString: process.env["DATABASE_URL"] });
// The real one has no such handler; a stand-in that dies with its pooler would only hide what is being tried out.
pool.on("error", (error) => console.warn(`idle database connection lost: ${error.message}`));
