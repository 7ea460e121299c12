// What a user of openapi-typescript and openapi-fetch writes.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });

function check(right: boolean, what: string): void {
  if (!right) throw new Error(what);
}

const first = await client.POST("/customers", { body: { customer_id: "S0", customer_name: "Ada", city: "Rome" } });
check(first.data?.customer_name === "Ada", "create");
const rows = [1, 2, 3, 4].map((n) => ({ customer_id: `S${n}`, customer_name: "Many", city: "Rome" }));
check((await client.POST("/customers:batch", { body: rows })).data?.length === 4, "many at once");

const found: string[] = [];
let cursor: string | undefined;
do {
  const query = { city: "Rome", "customer_id[like]": "S*", limit: 2, ...(cursor ? { cursor } : {}) };
  const { data } = await client.GET("/customers", { params: { query } });
  if (!data) throw new Error("no page");
  found.push(...data.items.map((one) => one.customer_id));
  cursor = data.next?.split("cursor=")[1]?.split("&")[0];
} while (cursor);
check(found.join() === "S0,S1,S2,S3,S4", `paged: ${found}`);

const order = { order_id: "S-O", customer_id: "S0", total_amount: 150.75, status: "shipped" } as const;
await client.POST("/orders", { body: order });
const path = { order_id: "S-O" };
const got = await client.GET("/orders/{order_id}", { params: { path } });
const header = { "If-Match": got.response.headers.get("ETag") ?? "" };
const changed = await client.PATCH("/orders/{order_id}", { params: { path, header }, body: { total_amount: 99.99 } });
check(changed.data?.total_amount === 99.99 && changed.data.status === "shipped", "a shipped order stays shipped");
const stale = await client.PATCH("/orders/{order_id}", { params: { path, header }, body: { total_amount: 1 } });
check(stale.response.status === 412, "a stale ETag");
if (!changed.data) throw new Error("no row");
const back = await client.PUT("/orders/{order_id}", { params: { path }, body: { ...changed.data, total_amount: 5 } });
check(back.data?.total_amount === 5, "a row that is sent back");

const wrong = await client.POST("/orders", { body: { order_id: "S-X", customer_id: "nobody", total_amount: 1 } });
if (wrong.error?.type !== "urn:problem-type:crud-api:invalid-fields") throw new Error("a typed 422");
check(wrong.error.errors?.[0]?.pointer === "#/customer_id", "the wrong field is named");

await client.DELETE("/orders/{order_id}", { params: { path } });
for (const customer_id of found) await client.DELETE("/customers/{customer_id}", { params: { path: { customer_id } } });
console.log("done");
