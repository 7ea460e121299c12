// What a user of @supabase/postgrest-js writes to read. `read` runs all of it: the rows are those of tests/clients.
import { deepStrictEqual } from "node:assert";
import type { PostgrestClient } from "@supabase/postgrest-js";

// The version is that of PostgREST. By it the types know which methods work.
export type Client = PostgrestClient<any, { PostgrestVersion: "14" }>;
type Answer = { data: unknown; error: { code: string; message: string; details: string } | null; count: number | null };

export async function rows(query: PromiseLike<Answer>, wanted: unknown, count: number | null = null): Promise<void> {
  const answer = await query;
  deepStrictEqual([answer.error, answer.data, answer.count], [null, wanted, count]);
}

export async function refused(query: PromiseLike<Answer>, code: string, details: string | null): Promise<void> {
  const { error } = await query;
  deepStrictEqual([error?.code, error?.details], [code, details]);
}

export async function read(client: Client): Promise<void> {
  const customers = () => client.from("customers");
  const orders = () => client.from("orders");
  await rows(customers().select("customer_id, city").eq("city", "Paris"), [{ customer_id: "P2", city: "Paris" }]);
  await rows(customers().select("customer_name").order("customer_name", { ascending: false }).limit(2), [
    { customer_name: "Cleo" },
    { customer_name: "Bo" },
  ]);
  const paged = customers().select("customer_id", { count: "exact" }).order("customer_id").range(1, 2);
  await rows(paged, [{ customer_id: "P2" }, { customer_id: "P3" }], 3);
  await rows(customers().select("*", { count: "exact", head: true }).is("city", null), null, 1);

  await rows(customers().select("city").eq("customer_id", "P1").single(), { city: "London" });
  await rows(customers().select("city").eq("customer_id", "none").maybeSingle(), null);
  await refused(customers().select("city").single(), "PGRST116", "The result contains 3 rows");

  const found = (id: string) => [{ customer_id: id }];
  await rows(customers().select("customer_id").neq("city", "Paris"), found("P1"));
  await rows(customers().select("customer_id").in("customer_id", ["P1", "P3", "P9"]).like("customer_name", "C%"), found("P3"));
  await rows(customers().select("customer_id").or("city.eq.Berlin,and(city.is.null,email.ilike.*@EXAMPLE.com)"), found("P3"));
  await rows(customers().select("customer_id").not("city", "is", null).gt("customer_id", "P1"), found("P2"));
  await rows(customers().select("customer_id").textSearch("customer_name", "ada", { config: "simple" }), found("P1"));
  await rows(customers().select("customer_id").match({ city: "Paris", customer_name: "Bo" }), found("P2"));

  await rows(orders().select("order_id, customers(customer_name)").eq("order_id", "Q1"), [
    { order_id: "Q1", customers: { customer_name: "Ada" } },
  ]);
  await rows(customers().select("customer_id, orders!inner(order_id)").gte("orders.total_amount", 20), [
    { customer_id: "P1", orders: [{ order_id: "Q2" }] },
  ]);
  const lists = customers()
    .select("customer_id, orders(order_id)")
    .order("order_id", { ascending: false, referencedTable: "orders" })
    .limit(1, { referencedTable: "orders" })
    .eq("customer_id", "P1");
  await rows(lists, [{ customer_id: "P1", orders: [{ order_id: "Q2" }] }]);
  await rows(orders().select("order_id, ...customers(buyer:customer_name)").eq("order_id", "Q3"), [
    { order_id: "Q3", buyer: "Bo" },
  ]);
  await rows(orders().select("customer_id, total_amount.sum()").order("customer_id"), [
    { customer_id: "P1", sum: 33.75 },
    { customer_id: "P2", sum: 7 },
  ]);

  // Views, and what functions make of a row.
  await rows(client.from("customer_names").select("name, orders(order_id)").eq("id", "P2"), [
    { name: "Bo", orders: [{ order_id: "Q3" }] },
  ]);
  await rows(customers().select("label, last_order(order_id)").eq("label", "Ada of London"), [
    { label: "Ada of London", last_order: { order_id: "Q2" } },
  ]);

  const csv = orders().select("order_id, total_amount").order("order_id").limit(1).csv();
  await rows(csv, "order_id,total_amount\nQ1,12.50");
  await refused(customers().select("town"), "42703", null);
}
