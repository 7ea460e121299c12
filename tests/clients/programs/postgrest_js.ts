// A program of a user of @supabase/postgrest-js. Each module that it calls is a part of the scenario.
import { PostgrestClient } from "@supabase/postgrest-js";
import { call } from "./postgrest_calling.js";
import { type Client, read } from "./postgrest_reading.js";
import { write } from "./postgrest_writing.js";

const client: Client = new PostgrestClient(`${process.argv[2]}/rest/v1`, { schema: "public" }); // as supabase-js has it
await read(client);
await write(client);
await call(client);
console.log("done");
