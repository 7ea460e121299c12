// What a user of @supabase/postgrest-js writes to call functions. `call` runs all of it.
import { deepStrictEqual } from "node:assert";
import { type Client, refused, rows } from "./postgrest_reading.js";

export async function call(client: Client): Promise<void> {
  await rows(client.rpc("spent", { customer_id: "P1" }), 33.75);
  await rows(client.rpc("spent", { customer_id: "P1" }, { get: true }), 33.75);
  await rows(client.rpc("spent", { customer_id: "none" }), null);
  await rows(client.rpc("first_of", { names: ["b", "a"] }, { get: true }), "a");
  await rows(client.rpc("first_of", { names: ["b", 'a "q", {x}'] }), 'a "q", {x}');

  const owing = client.rpc("owing", { minimum: 10 }, { count: "exact" }).select("order_id, customers(city)");
  await rows(owing.order("order_id").limit(1), [{ order_id: "Q1", customers: { city: "London" } }], 2);
  const found = client.rpc("owing", {}, { get: true }).select("order_id").eq("status", "pending").neq("order_id", "Q1");
  await rows(found, [{ order_id: "Q3" }]);
  await rows(client.rpc("owing").select("order_id").gt("total_amount", 20).single(), { order_id: "Q2" });
  await rows(client.rpc("owing").select("order_id").eq("order_id", "none").maybeSingle(), null);
  await rows(client.rpc("owing").select("order_id, status").eq("order_id", "Q2").csv(), "order_id,status\nQ2,shipped");
  await rows(client.rpc("owing", {}, { head: true, count: "exact" }), null, 3);

  // A function changes a row, and refuses to change it twice.
  await rows(client.rpc("ship", { order_id: "Q1" }).select("status"), [{ status: "shipped" }]);
  const { error, status } = await client.rpc("ship", { order_id: "Q1" });
  const said = [status, error?.code, error?.message, error?.hint];
  deepStrictEqual(said, [409, "PT409", "Q1 cannot be shipped", "Look at its status."]);
  await rows(client.from("orders").update({ status: "pending" }).eq("order_id", "Q1"), null);
  const sought =
    "Searched for the function demo.spend with parameter customer_id or with a single unnamed json/jsonb parameter, " +
    "but no matches were found in the schema cache.";
  await refused(client.rpc("spend", { customer_id: "P1" }), "PGRST202", sought);
}
