"""The rows of demo.customers and demo.orders for the examples of the contract."""

ROWS = """
    TRUNCATE demo.customers, demo.orders CASCADE;
    INSERT INTO demo.customers (customer_id, customer_name, city) VALUES ('C1', 'Ada', 'Paris'), ('C2', 'Grace', NULL);
    INSERT INTO demo.orders (order_id, customer_id, status, total_amount) VALUES
      ('O1', 'C1', 'pending', 150.75), ('O2', 'C1', 'shipped', 20.00);
"""
