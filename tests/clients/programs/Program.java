import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.CustomersApi;
import org.openapitools.client.api.OrdersApi;
import org.openapitools.client.model.*;

/** What a user of openapi-generator's java client (native) writes. */
public class Program {
  static void check(boolean right, String what) {
    if (!right) throw new AssertionError(what);
  }

  static NewCustomer customer(String key) {
    return new NewCustomer().customerId(key).customerName("Ada").city("Rome");
  }

  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri(arguments[0]);
    CustomersApi customers = new CustomersApi(client);
    OrdersApi orders = new OrdersApi(client);

    check(customers.createCustomer(customer("T0"), null, null).getCity().equals("Rome"), "create");
    List<NewCustomer> rows = List.of(customer("T1"), customer("T2"), customer("T3"), customer("T4"));
    check(customers.createManyCustomers(rows, null, null).size() == 4, "many at once");

    List<String> found = new ArrayList<>();
    String cursor = null;
    do {
      CustomerPage page = customers.listCustomers(CustomersApi.APIListCustomersRequest.newBuilder()
          .city("Rome").customerIdLike("T*").limit(2).cursor(cursor).build());
      for (CustomerView one : page.getItems()) found.add(one.getCustomerId());
      cursor = page.getNext() == null ? null : page.getNext().toString().split("cursor=")[1].split("&")[0];
    } while (cursor != null);
    check(found.equals(List.of("T0", "T1", "T2", "T3", "T4")), "paged: " + found);

    orders.createOrder(new NewOrder().orderId("T-O").customerId("T0").totalAmount(new BigDecimal("150.75"))
        .status(OrderStatus.SHIPPED), null, null);
    String etag = orders.getOrderWithHttpInfo("T-O", null, null).getHeaders().get("etag").get(0);
    Order changed = orders.updateOrder("T-O", new OrderChange().totalAmount(new BigDecimal("99.99")), null, etag, null);
    check(changed.getTotalAmount().equals(new BigDecimal("99.99")), "the amount keeps its digits");
    check(changed.getStatus() == OrderStatus.SHIPPED, "a shipped order stays shipped");
    try {
      orders.updateOrder("T-O", new OrderChange().totalAmount(BigDecimal.ONE), null, etag, null);
      check(false, "a stale ETag was taken");
    } catch (ApiException error) {
      check(error.getCode() == 412, "a stale ETag");
    }
    try {
      orders.createOrder(
          new NewOrder().orderId("T-X").customerId("nobody").totalAmount(BigDecimal.ONE), null, null);
      check(false, "an unknown customer was taken");
    } catch (ApiException error) {
      check(error.getCode() == 422, "422");
      InvalidFieldsProblem problem =
          ApiClient.createDefaultObjectMapper().readValue(error.getResponseBody(), InvalidFieldsProblem.class);
      check(problem.getErrors().get(0).getPointer().equals("#/customer_id"), "the wrong field is named");
    }

    orders.deleteOrder("T-O", null, null);
    for (String key : found) customers.deleteCustomer(key, null, null);
    System.out.println("done");
  }
}
