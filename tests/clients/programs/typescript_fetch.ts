// What a user of openapi-generator's typescript-fetch client writes.
import {
  Configuration, CustomersApi, IdempotencyKeyReusedOrInvalidFieldsProblemFromJSON, OrderStatus, OrdersApi, ResponseError,
} from "./client/index";

function check(right: boolean, what: string): void {
  if (!right) throw new Error(what);
}

async function refused(request: Promise<unknown>): Promise<Response> {
  try {
    await request;
  } catch (error) {
    if (error instanceof ResponseError) return error.response;
    throw error;
  }
  throw new Error("it was not refused");
}

async function main(): Promise<void> {
  const configuration = new Configuration({ basePath: process.argv[2] });
  const customers = new CustomersApi(configuration), orders = new OrdersApi(configuration);
  await customers.createCustomer({ newCustomer: { customerId: "R0", customerName: "Ada", city: "Rome" } });
  const rows = [1, 2, 3, 4].map((n) => ({ customerId: `R${n}`, customerName: "Many", city: "Rome" }));
  check((await customers.createManyCustomers({ newCustomer: rows }))?.length === 4, "many at once");

  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await customers.listCustomers({ city: "Rome", customerIdLike: "R*", limit: 2, cursor });
    found.push(...page.items.map((one) => one.customerId));
    cursor = page.next?.split("cursor=")[1]?.split("&")[0];
  } while (cursor);
  check(found.join() === "R0,R1,R2,R3,R4", `paged: ${found}`);

  const newOrder = { orderId: "R-O", customerId: "R0", totalAmount: 150.75, status: OrderStatus.Shipped };
  await orders.createOrder({ newOrder });
  const etag = (await orders.getOrderRaw({ orderId: "R-O" })).raw.headers.get("ETag") ?? "";
  const changed = await orders.updateOrder({ orderId: "R-O", orderChange: { totalAmount: 99.99 }, ifMatch: etag });
  check(changed?.totalAmount === 99.99 && changed.status === OrderStatus.Shipped, "a shipped order stays shipped");
  const stale = await refused(orders.updateOrder({ orderId: "R-O", orderChange: { totalAmount: 1 }, ifMatch: etag }));
  check(stale.status === 412, "a stale ETag");

  const wrong = await refused(
    orders.createOrder({ newOrder: { orderId: "R-X", customerId: "nobody", totalAmount: 1 } }));
  const problem = IdempotencyKeyReusedOrInvalidFieldsProblemFromJSON(await wrong.json());
  check(problem.type === "urn:problem-type:crud-api:invalid-fields", "a typed 422");
  check(problem.errors?.[0]?.pointer === "#/customer_id", "the wrong field is named");

  await orders.deleteOrder({ orderId: "R-O" });
  for (const customerId of found) await customers.deleteCustomer({ customerId });
  console.log("done");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
