"""A program of a user of postgrest-py. Each module that it calls is a part of the scenario."""

import sys

from postgrest import SyncPostgrestClient
from postgrest_calling import call
from postgrest_reading import read
from postgrest_writing import write

with SyncPostgrestClient(f"{sys.argv[1]}/rest/v1") as client:
    read(client)
    write(client)
    call(client)
print("done")
