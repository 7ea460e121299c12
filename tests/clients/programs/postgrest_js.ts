// A program of a user of @supabase/postgrest-js. Each module that it calls is a part of the scenario.
import { PostgrestClient } from "@supabase/postgrest-js";
import { read } from "./postgrest_reading.js";

const client = new PostgrestClient<any>(`${process.argv[2]}/rest/v1`, { schema: "public" }); // as supabase-js has it
await read(client);
console.log("done");
