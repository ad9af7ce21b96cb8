"""What schemathesis is told besides: the example of an idempotency key stands for a new one."""

from typing import Any
from uuid import uuid4

import schemathesis

from web.examples import PARAMETERS

KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Under one key only the first of several examples would be decided."""
    if case.headers and case.headers.get(KEY) == PARAMETERS[KEY][1]:
        case.headers[KEY] = str(uuid4())
