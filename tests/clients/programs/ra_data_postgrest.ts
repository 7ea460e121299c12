// A program of a user of react-admin: its data provider for PostgREST lists, pages, filters and edits.
import { deepStrictEqual, rejects } from "node:assert";
import postgrest from "@raphiniert/ra-data-postgrest";

// What fetchUtils.fetchJson of react-admin does.
async function httpClient(url: string, options: RequestInit = {}) {
  const response = await fetch(url, options);
  const body = await response.text();
  const json = body === "" ? undefined : JSON.parse(body);
  if (!response.ok) throw Object.assign(new Error(json.message), { status: response.status, body: json });
  return { status: response.status, headers: response.headers, body, json };
}

const provider = postgrest({
  apiUrl: `${process.argv[2]}/rest/v1`,
  httpClient,
  defaultListOp: "eq",
  primaryKeys: new Map([
    ["customers", ["customer_id"]],
    ["orders", ["order_id"]],
    ["ratings", ["order_id", "rater"]],
  ]),
  schema: () => "demo",
});
const ada = { id: "P1", customer_id: "P1", customer_name: "Ada", email: null, city: "London" };
const bo = { id: "P2", customer_id: "P2", customer_name: "Bo", email: null, city: "Paris" };
const cleo = { id: "P3", customer_id: "P3", customer_name: "Cleo", email: "cleo@example.com", city: null };

async function list(filter: object, page: number, field: string, order: "ASC" | "DESC", meta?: object) {
  const asked = { pagination: { page, perPage: 2 }, sort: { field, order }, filter, meta };
  const { data, total } = await provider.getList("customers", asked);
  return { data, total };
}

async function read(): Promise<void> {
  deepStrictEqual(await list({}, 1, "id", "ASC"), { data: [ada, bo], total: 3 });
  deepStrictEqual(await list({}, 2, "id", "ASC"), { data: [cleo], total: 3 });
  deepStrictEqual(await list({}, 1, "city", "DESC", { nullslast: true }), { data: [bo, ada], total: 3 });
  deepStrictEqual(await list({ city: "Paris" }, 1, "id", "ASC"), { data: [bo], total: 1 });
  deepStrictEqual(await list({ "customer_name@ilike": "AD" }, 1, "id", "ASC"), { data: [ada], total: 1 });
  const either = { "@or": { "city@is": "null", "customer_name@eq": "Bo" } };
  deepStrictEqual(await list(either, 1, "id", "DESC"), { data: [cleo, bo], total: 2 });
  deepStrictEqual(await list({ city: "Berlin" }, 1, "id", "ASC"), { data: [], total: 0 });
  const embedded = await list({ city: "Paris" }, 1, "id", "ASC", { columns: ["customer_id"], embed: ["orders"] });
  const order = { order_id: "Q3", customer_id: "P2", status: "pending", total_amount: 7 };
  deepStrictEqual(embedded.data, [{ id: "P2", customer_id: "P2", orders: [order] }]);

  deepStrictEqual((await provider.getOne("customers", { id: "P1" })).data, ada);
  await rejects(provider.getOne("customers", { id: "none" }), { status: 406 });
  const many = await provider.getMany("customers", { ids: ["P3", "P1"] });
  deepStrictEqual(new Set(many.data.map((row: any) => row.id)), new Set(["P1", "P3"]));
  const theirs = await provider.getManyReference("orders", {
    target: "customer_id",
    id: "P1",
    pagination: { page: 1, perPage: 1 },
    sort: { field: "total_amount", order: "DESC" },
    filter: {},
  });
  deepStrictEqual([theirs.data.map((row: any) => row.id), theirs.total], [["Q2"], 2]);
}

async function edit(): Promise<void> {
  const dan = { customer_id: "P4", customer_name: "Dan", city: "Oslo" };
  const created = await provider.create("customers", { data: dan });
  deepStrictEqual(created.data, { id: "P4", ...dan, email: null });
  const changed = { ...created.data, city: "Bern" };
  const updated = await provider.update("customers", { id: "P4", data: changed, previousData: created.data });
  deepStrictEqual(updated.data, changed);
  await rejects(provider.create("customers", { data: dan }), { status: 409 });
  const both = await provider.updateMany("customers", { ids: ["P3", "P4"], data: { city: "Rome" } });
  deepStrictEqual(new Set(both.data), new Set(["P3", "P4"]));
  await provider.updateMany("customers", { ids: ["P3"], data: { city: null } });
  deepStrictEqual((await provider.delete("customers", { id: "P4", previousData: changed })).data, { ...changed, city: "Rome" });
  deepStrictEqual(await list({}, 1, "id", "DESC"), { data: [cleo, bo], total: 3 });
}

// A key of two columns is one text.
async function compound(): Promise<void> {
  const rating = { order_id: "Q1", rater: "P2", stars: 4 };
  const { data } = await provider.create("ratings", { data: rating });
  deepStrictEqual(data, { ...rating, id: '["Q1","P2"]' });
  await provider.create("ratings", { data: { ...rating, rater: "P3" } });
  deepStrictEqual((await provider.getOne("ratings", { id: data.id })).data, data);
  const ids = ['["Q1","P2"]', '["Q1","P3"]'];
  deepStrictEqual((await provider.getMany("ratings", { ids })).data.length, 2);
  deepStrictEqual(new Set((await provider.deleteMany("ratings", { ids })).data), new Set(ids));
}

read()
  .then(edit)
  .then(compound)
  .then(() => console.log("done"));
