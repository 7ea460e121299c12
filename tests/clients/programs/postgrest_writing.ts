// What a user of @supabase/postgrest-js writes to change rows. `write` runs all of it, and in the end the rows are as before.
import { deepStrictEqual } from "node:assert";
import { type Client, refused, rows } from "./postgrest_reading.js";

export async function write(client: Client): Promise<void> {
  const stored = async () => [
    (await client.from("customers").select().order("customer_id")).data,
    (await client.from("orders").select().order("order_id")).data,
  ];
  const before = await stored();
  await insert(client);
  await upsert(client);
  await update(client);
  await remove(client);
  deepStrictEqual(await stored(), before);
}

// One row or several, and what is shown of them.
async function insert(client: Client): Promise<void> {
  const customers = () => client.from("customers");
  const orders = () => client.from("orders");
  await rows(customers().insert({ customer_id: "P7", customer_name: "Gil", city: "Rome" }), null);
  const many = [
    { customer_id: "P8", customer_name: "Hal", city: "Rome" },
    { customer_id: "P9", customer_name: "Ira" },
  ];
  const shown = [
    { customer_id: "P8", city: "Rome" },
    { customer_id: "P9", city: null },
  ];
  await rows(customers().insert(many, { count: "exact" }).select("customer_id, city"), shown, 2);

  const order = { order_id: "Q7", customer_id: "P7", total_amount: 5 };
  await rows(orders().insert(order).select("order_id, status, customers(city)").single(), {
    order_id: "Q7",
    status: "pending",
    customers: { city: "Rome" },
  });
  const unlike = [
    { order_id: "Q8", customer_id: "P8" },
    { order_id: "Q9", customer_id: "P8", status: "shipped" },
  ];
  await rows(orders().insert(unlike, { defaultToNull: false }).select("order_id, status"), [
    { order_id: "Q8", status: "pending" },
    { order_id: "Q9", status: "shipped" },
  ]);
  const text = customers().insert({ customer_id: "P10", customer_name: "Kim, K." }).select("customer_id, customer_name");
  await rows(text.csv(), 'customer_id,customer_name\nP10,"Kim, K."');

  await refused(customers().insert({ customer_id: "P7", customer_name: "Again" }), "23505", null);
  await refused(customers().insert([{ customer_id: "P11", town: "Rome" }]), "PGRST204", null);
}

// Rows that exist, by their key or by another unique column, are changed or left as they are.
async function upsert(client: Client): Promise<void> {
  const customers = () => client.from("customers");
  const both = [
    { customer_id: "P7", customer_name: "Gil", email: "gil@example.com" },
    { customer_id: "P11", customer_name: "Lea", email: "lea@example.com" },
  ];
  await rows(customers().upsert(both).select("customer_id, email, city"), [
    { customer_id: "P7", email: "gil@example.com", city: "Rome" },
    { customer_id: "P11", email: "lea@example.com", city: null },
  ]);
  const renamed = { customer_id: "P11", customer_name: "Leah", email: "lea@example.com" };
  const other = customers().upsert(renamed, { onConflict: "email" }).select("customer_name").single();
  await rows(other, { customer_name: "Leah" });
  const known = { customer_id: "P7", customer_name: "Nobody" };
  const fresh = { customer_id: "P12", customer_name: "Max" };
  const ignored = customers().upsert([known, fresh], { ignoreDuplicates: true }).select("customer_name");
  await rows(ignored, [{ customer_name: "Max" }]);
}

// Rows that a filter finds.
async function update(client: Client): Promise<void> {
  const orders = () => client.from("orders");
  await rows(client.from("customers").update({ city: "Oslo" }, { count: "exact" }).eq("city", "Rome"), null, 2);
  const shown = orders().update({ status: "paid" }).eq("order_id", "Q7").select("status, customers(city)").single();
  await rows(shown, { status: "paid", customers: { city: "Oslo" } });
  await rows(orders().update({ status: "lost" }).eq("order_id", "none").select().maybeSingle(), null);

  const several = orders().update({ status: "lost" }).eq("customer_id", "P8").select().single();
  await refused(several, "PGRST116", "The result contains 2 rows");
  await rows(orders().select("order_id").eq("status", "lost"), []);
  await refused(orders().update({ status: "lost" }), "21000", null);
}

// Rows that a filter finds, at most so many.
async function remove(client: Client): Promise<void> {
  const orders = () => client.from("orders");
  await refused(client.from("customers").delete().eq("customer_id", "P7"), "23503", null);
  await refused(orders().delete().gte("order_id", "Q7").maxAffected(2), "PGRST124", "The query affects 3 rows");
  const gone = orders().delete({ count: "exact" }).gte("order_id", "Q7").select("order_id").order("order_id");
  await rows(gone, [{ order_id: "Q7" }, { order_id: "Q8" }, { order_id: "Q9" }], 3);
  const made = ["P7", "P8", "P9", "P10", "P11", "P12"];
  await rows(client.from("customers").delete({ count: "exact" }).in("customer_id", made), null, made.length);
}
