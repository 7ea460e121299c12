"""The functions of the database that are served under /rest/v1/rpc: one module each, and their list."""

from crud_api.resource.functions import Functions

# Every declared function, any number of them. A name, as in Functions("add_up"), is a module of this folder.
FUNCTIONS = Functions()
