"""A response on its way out: its bytes, whatever is in it. Nobody waits in vain for one that may not be sent."""

from __future__ import annotations

from edge.adapters.camera_options import one_line
from edge.contract.messages import Response
from edge.errors import MessageError, RefusedError
from edge.log import get_logger

_log = get_logger("requests")
_LONGEST_VERB, _LONGEST_ERROR = 64, 1000
BUSY = "the door is too busy; try again"


def refusal(verb: str, error: str, transaction: str | None = None, *, code: int = RefusedError.exit_code) -> Response:
    """A response that says why there is none, in one line that the contract takes.

    verb: as asked, however odd. code: the exit code of the error's kind.
    """
    line = one_line(error)[:_LONGEST_ERROR] or "failed without a reason"
    return Response(
        verb=one_line(verb)[:_LONGEST_VERB], status="error", error=line, data={}, transaction=transaction, code=code
    )


def payload_of(response: Response, most: int | None = None) -> bytes:
    """The response's JSON; of one that may not be sent (too large, half of a character), the JSON of a refusal.

    most: bytes, where it goes another way than over a broker.
    """
    try:
        return response.to_json(most)
    except MessageError as error:
        _log.warning("an answer could not be sent", verb=one_line(response.verb), reason=error)
        return refusal(response.verb, f"the answer cannot be sent ({error})", response.transaction).to_json()
