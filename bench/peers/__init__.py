"""The handlers that are compared: each a module with `handler(event, context)`, over the database in DATABASE_URL.

All serve the same five operations on demo.orders and are set up as their documentation recommends. Each runs in a
process of its own, because some of what they set (psycopg2's wait callback, say) holds for a whole process.
"""
