"""Seconds from the first line to the first answer: `python first_answer.py MODULE ATTRIBUTE EVENT [MODULE ...]`.

The last modules are there before.
"""

import sys
import time

for module in sys.argv[4:]:
    __import__(module)

STARTED = time.perf_counter()

import importlib  # noqa: E402 - the clock runs from here on
import json  # noqa: E402

handler = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])


class Context:
    """Lambda's context, as far as the handlers look at it."""

    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:bench"
    aws_request_id = "6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c"

    def get_remaining_time_in_millis(self) -> int:
        """Lambda's name for it."""
        return 28_000


answer = handler(json.loads(sys.argv[3]), Context())
took = time.perf_counter() - STARTED
if answer.get("statusCode", 200) != 200 or "failure" in answer:
    sys.exit(f"{sys.argv[1]} answers {answer}")
with open("/proc/self/status") as status:  # noqa: PTH123 - pathlib may not be imported yet, and would count as memory
    memory = status.read().split("VmHWM:")[1].split()[0]
print(json.dumps([took, int(memory)]))
